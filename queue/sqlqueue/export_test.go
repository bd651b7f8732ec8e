package sqlqueue

// WaitForSweep returns when the sweep of Open has ended.
func (q *Queue) WaitForSweep() { q.sweeping.Wait() }
