package sqlqueue

import "sync"

// notes are those who want to know when something is due. The zero notes are ready.
type notes struct {
	mu  sync.Mutex // held while due runs, so that it does not run after its stop
	due map[*func()]bool
}

// Notify implements queue.Notifier.
func (q *Queue) Notify(due func()) (stop func()) {
	key := &due
	q.notes.mu.Lock()
	defer q.notes.mu.Unlock()
	if q.notes.due == nil {
		q.notes.due = map[*func()]bool{}
	}
	q.notes.due[key] = true
	return func() {
		q.notes.mu.Lock()
		defer q.notes.mu.Unlock()
		delete(q.notes.due, key)
	}
}

func (n *notes) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for due := range n.due {
		(*due)()
	}
}
