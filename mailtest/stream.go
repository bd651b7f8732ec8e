package mailtest

import (
	"io"
	"sync"
	"time"
)

// stream is one direction of a connection: a bounded buffer between one end's Write and the other end's Read. Both directions share
// a lock, because a Cut in one breaks the other. Waiting is on a sync.Cond, and time comes from timers, as testing/synctest wants it.
type stream struct {
	link     *link
	opposite *stream
	size     int // of the buffer
	fault    Fault

	// What follows is guarded by link.mu, and link.changed signals that it changed.
	buf           []byte
	passed        int64 // octets written before the fault
	held          int   // octets that occupy the buffer but never arrive: Stall
	faulty        bool  // the fault has happened
	writing       bool  // a Write owns the stream, so that Writes do not mix
	finished      bool  // the reader will see io.EOF
	broken        bool  // the reader will see a reset after what is in the buffer
	readClosed    bool  // the reading end was closed
	writeClosed   bool  // the writing end was closed: net.ErrClosed
	writeFinished bool  // the writing end was closed for writing: EPIPE
	readDeadline  deadline
	writeDeadline deadline
}

// link is what the two directions of a connection share.
type link struct {
	mu      sync.Mutex
	changed sync.Cond
}

// connect makes the two directions of a connection.
func connect(size int, toServer, toClient Fault) (up, down *stream) {
	l := new(link)
	l.changed.L = &l.mu
	up = &stream{link: l, size: size, fault: toServer}
	down = &stream{link: l, size: size, fault: toClient}
	up.opposite, down.opposite = down, up
	l.mu.Lock()
	defer l.mu.Unlock()
	up.trip() // a fault After 0 octets is there from the start
	down.trip()
	return up, down
}

// read implements Conn.Read.
func (s *stream) read(p []byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	for {
		switch {
		case s.readClosed:
			return 0, errClosed
		case s.readDeadline.expired:
			return 0, errDeadline
		case len(p) == 0:
			return 0, nil
		case len(s.buf) > 0:
			return s.take(p), nil
		case s.broken:
			return 0, errReset
		case s.finished:
			return 0, io.EOF
		}
		s.link.changed.Wait()
	}
}

// take moves octets from the buffer to p.
func (s *stream) take(p []byte) int {
	if s.fault.Chunk > 0 && len(p) > s.fault.Chunk {
		p = p[:s.fault.Chunk]
	}
	n := copy(p, s.buf)
	s.buf = s.buf[n:]
	s.link.changed.Broadcast()
	return n
}

// write implements Conn.Write.
func (s *stream) write(p []byte) (int, error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	for s.writing {
		if err := s.writable(); err != nil {
			return 0, err
		}
		s.link.changed.Wait()
	}
	s.writing = true
	defer func() {
		s.writing = false
		s.link.changed.Broadcast()
	}()

	written := 0
	for {
		if err := s.writable(); err != nil {
			return written, err
		}
		n := s.put(p[written:])
		written += n
		if written == len(p) {
			return written, nil
		}
		if n == 0 {
			s.link.changed.Wait()
		}
	}
}

// writable returns the error of a Write at this moment.
func (s *stream) writable() error {
	switch {
	case s.writeClosed:
		return errClosed
	case s.writeDeadline.expired:
		return errDeadline
	case s.writeFinished:
		return errPipe
	case s.broken:
		return errReset
	case s.readClosed && !s.faulty:
		return errPipe
	}
	return nil
}

// put moves what fits of p into the buffer, or where the fault sends it, and returns how much.
func (s *stream) put(p []byte) int {
	if s.faulty && s.fault.Kind != Stall {
		return len(p) // End and Drop swallow everything; Cut never comes here
	}
	p = p[:min(len(p), s.size-len(s.buf)-s.held)]
	if s.faulty {
		s.held += len(p)
		return len(p)
	}
	p = p[:s.fault.passes(s.passed, len(p))]
	s.buf = append(s.buf, p...)
	s.passed += int64(len(p))
	s.trip()
	if len(p) > 0 { // else two ends that wait for room would wake each other for ever
		s.link.changed.Broadcast()
	}
	return len(p)
}

// trip lets the fault happen if its time has come.
func (s *stream) trip() {
	if s.faulty || s.fault.Kind == NoFault || s.passed < s.fault.After {
		return
	}
	s.faulty = true
	switch s.fault.Kind {
	case Cut:
		s.broken, s.opposite.broken = true, true
	case End:
		s.finished = true
	}
	s.link.changed.Broadcast()
}

// lost reports whether news of this end no longer gets through to the reader.
func (s *stream) lost() bool { return s.faulty && (s.fault.Kind == Stall || s.fault.Kind == Drop) }

// closeRead ends reading and returns how many octets nobody will read now.
func (s *stream) closeRead() (unread int, err error) {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.readClosed {
		return 0, errClosed
	}
	unread = len(s.buf)
	s.readClosed, s.buf = true, nil
	s.readDeadline.stop()
	s.link.changed.Broadcast()
	return unread, nil
}

// finish tells the reader that no more comes.
func (s *stream) finish() error {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.writeClosed {
		return errClosed
	}
	s.writeFinished = true
	s.finished = s.finished || !s.lost()
	s.link.changed.Broadcast()
	return nil
}

// closeWrite is finish for an end that closes altogether.
func (s *stream) closeWrite() {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	s.writeClosed = true
	s.finished = s.finished || !s.lost()
	s.writeDeadline.stop()
	s.link.changed.Broadcast()
}

// reset breaks the connection for the end that reads s, unless s is lost on the way.
func (s *stream) reset() {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if !s.lost() {
		s.buf = nil
		s.broken, s.opposite.broken = true, true
	}
	s.link.changed.Broadcast()
}

func (s *stream) setReadDeadline(t time.Time) error {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.readClosed {
		return errClosed
	}
	s.readDeadline.set(s.link, t)
	return nil
}

func (s *stream) setWriteDeadline(t time.Time) error {
	s.link.mu.Lock()
	defer s.link.mu.Unlock()
	if s.writeClosed {
		return errClosed
	}
	s.writeDeadline.set(s.link, t)
	return nil
}

// deadline is a moment after which operations fail. Its timer, not a look at the clock, decides that the moment has come: so no
// waiter can be woken too early and then sleep for ever.
type deadline struct {
	timer   *time.Timer
	moved   int // how often it was set: the timer of an earlier setting must not fire late
	expired bool
}

// set moves the deadline to t; the zero time is never. The caller holds l.mu.
func (d *deadline) set(l *link, t time.Time) {
	d.stop()
	d.expired = false
	if !t.IsZero() {
		if wait := time.Until(t); wait > 0 {
			setting := d.moved
			d.timer = time.AfterFunc(wait, func() { d.fire(l, setting) })
		} else {
			d.expired = true
		}
	}
	l.changed.Broadcast()
}

// fire expires the deadline, unless it was moved while the timer's function waited for the lock.
func (d *deadline) fire(l *link, setting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.moved == setting {
		d.expired = true
		l.changed.Broadcast()
	}
}

func (d *deadline) stop() {
	d.moved++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
