package pop3

import (
	"context"

	"github.com/postrider/postrider/store"
)

// A snapshot is the maildrop as the session found it (RFC 1939 §4): the n-th message has
// the number n for the whole session, whatever others deliver or remove meanwhile.
type snapshot struct {
	drop     Maildrop
	unlock   func()
	validity uint32
	messages []entry
	left     int   // messages not marked as deleted
	octets   int64 // and their sizes
}

// An entry is a message of the snapshot.
type entry struct {
	size    int64
	uid     store.UID
	deleted bool
}

// takeSnapshot reads the list of messages, at most most unless that is 0. What is beyond is
// seen by a session after some were deleted.
func takeSnapshot(ctx context.Context, d Maildrop, most int) (*snapshot, error) {
	status, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &snapshot{drop: d, validity: status.UIDValidity}
	if n := status.Messages; n > 0 && (most == 0 || n <= most) {
		s.messages = make([]entry, 0, n)
	}
	for m, err := range d.Scan(ctx, store.ScanQuery{}) {
		if err != nil {
			return nil, err
		}
		if most > 0 && len(s.messages) == most {
			break
		}
		s.messages = append(s.messages, entry{uid: m.UID, size: m.Size})
		s.octets += m.Size
	}
	s.left = len(s.messages)
	return s, nil
}

// message returns the message of a number, nil if there is none or it is marked.
func (s *snapshot) message(number int) *entry {
	if number < 1 || number > len(s.messages) || s.messages[number-1].deleted {
		return nil
	}
	return &s.messages[number-1]
}

func (s *snapshot) mark(m *entry) {
	m.deleted = true
	s.left--
	s.octets -= m.size
}

func (s *snapshot) unmark() {
	for i := range s.messages {
		if m := &s.messages[i]; m.deleted {
			m.deleted = false
			s.left++
			s.octets += m.size
		}
	}
}

// marked reports how many messages are marked as deleted.
func (s *snapshot) marked() int { return len(s.messages) - s.left }

// expunge removes the marked messages.
func (s *snapshot) expunge(ctx context.Context) error {
	if s.marked() == 0 {
		return nil
	}
	var uids store.UIDSet
	for _, m := range s.messages {
		if m.deleted {
			uids.Add(m.uid)
		}
	}
	_, err := s.drop.Expunge(ctx, uids)
	return err
}

// close unlocks and gives back the maildrop.
func (s *snapshot) close() error {
	s.unlock()
	return s.drop.Close()
}

// appendUIDL appends the unique-id of m (RFC 1939 §7): UID and UIDVALIDITY in
// hexadecimal, 16 characters. Neither is ever used again for another message, so nor are the
// two together.
func (s *snapshot) appendUIDL(b []byte, m *entry) []byte {
	return appendHex(appendHex(b, uint32(m.uid)), s.validity)
}

func appendHex(b []byte, n uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[n>>shift&0xf])
	}
	return b
}
