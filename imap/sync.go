package imap

import (
	"log/slog"
	"slices"
	"strconv"

	"github.com/postrider/postrider/store"
)

// update tells the client what happened in the selected mailbox since it was last told, EXPUNGE only if that is
// allowed now (RFC 3501 §7.4.1, I3). It reports whether the mailbox is gone. An error is not the client's: it will be
// told the next time.
func (s *session) update(expunge bool) (gone bool) {
	m := s.selected
	if m == nil {
		return false
	}
	news, err := m.view.Sync(s.ctx)
	if err != nil {
		if isGone(err) {
			return true
		}
		s.log(slog.LevelError, "follow the mailbox failed", slog.Any("err", err))
		return false
	}
	m.untold = m.untold.Union(news.Flagged)
	if expunge {
		s.tellExpunged()
	}
	if !news.Arrived.IsEmpty() {
		s.tellArrived()
	}
	if !m.untold.IsEmpty() {
		if err := s.tellFlags(); err != nil {
			s.log(slog.LevelError, "list of changed flags failed", slog.Any("err", err))
		}
	}
	return false
}

// tellExpunged announces the messages that are gone.
func (s *session) tellExpunged() {
	seqs, _ := s.selected.view.Expunge()
	var line [32]byte
	for _, n := range seqs {
		b := append(line[:0], "* "...)
		b = strconv.AppendUint(b, uint64(n), 10)
		s.out.Write(append(b, " EXPUNGE\r\n"...))
	}
}

// tellArrived announces how many messages there are now.
func (s *session) tellArrived() {
	if err := s.takeRecent(); err != nil {
		s.log(slog.LevelError, "take of recent messages failed", slog.Any("err", err))
	}
	s.untagged(strconv.Itoa(s.selected.view.Len()) + " EXISTS")
	s.untagged(strconv.Itoa(s.countRecent()) + " RECENT")
}

// takeRecent notes which messages are \Recent in this session. EXAMINE leaves them recent for the next session
// (RFC 3501 §6.3.2).
func (s *session) takeRecent() error {
	m := s.selected
	if !m.readOnly {
		recent, err := m.mailbox.TakeRecent(s.ctx)
		m.recent = m.recent.Union(recent)
		return err
	}
	st, err := m.mailbox.Status(s.ctx)
	if err != nil {
		return err
	}
	uids := m.view.UIDs()
	if n := uids.Len(); n > 0 && st.Recent > 0 {
		m.recent = m.recent.Union(store.RangeOfUIDs(uids.Nth(max(0, n-st.Recent)), uids.Max()))
	}
	return nil
}

// countRecent is the RECENT of the session.
func (s *session) countRecent() int {
	return s.selected.recent.Intersect(s.selected.view.UIDs()).Len()
}

// tellFlags announces the flags of messages that the client has not been told of.
func (s *session) tellFlags() error {
	m := s.selected
	if err := s.tellKeywords(); err != nil {
		return err
	}
	uids := m.untold.Intersect(m.view.UIDs())
	if uids.IsEmpty() { // and perhaps nil, which would be all
		m.untold = nil
		return nil
	}
	var b []byte
	for msg, err := range m.mailbox.Scan(s.ctx, store.ScanQuery{UIDs: uids}) {
		if err != nil {
			return err
		}
		seq := m.view.Seq(msg.UID)
		if seq == 0 {
			continue
		}
		b = append(b[:0], "* "...)
		b = strconv.AppendUint(b, uint64(seq), 10)
		b = append(b, " FETCH (UID "...)
		b = strconv.AppendUint(b, uint64(msg.UID), 10)
		b = append(b, " FLAGS "...)
		b = m.appendFlags(b, &msg)
		s.out.Write(append(b, ")\r\n"...))
	}
	m.untold = nil
	return nil
}

// appendFlags appends the flags of a message as this session sees them, \Recent among them.
func (m *selected) appendFlags(b []byte, msg *store.Message) []byte {
	if m.isRecent(msg.UID) {
		return appendFlags(b, msg.Flags, `\Recent`)
	}
	return appendFlags(b, msg.Flags)
}

// tellKeywords announces FLAGS and PERMANENTFLAGS anew if the mailbox has keywords that the client was not told
// of. Call it before a reply that may have new ones in it (RFC 3501 §7.2.6).
func (s *session) tellKeywords() error {
	st, err := s.selected.mailbox.Status(s.ctx)
	if err != nil || len(st.Keywords) == s.selected.keywords {
		return err
	}
	s.writeFlags(st.Keywords)
	return nil
}

// writeFlags announces the flags that messages of the selected mailbox may have.
func (s *session) writeFlags(keywords []store.Flag) {
	m := s.selected
	m.keywords = len(keywords)
	flags := slices.Concat(store.SystemFlags(), keywords)
	s.out.Write(append(appendFlags([]byte("* FLAGS "), flags), "\r\n"...))
	b := []byte("* OK [PERMANENTFLAGS ")
	if m.readOnly {
		b = append(b, "()] no flags can be changed\r\n"...)
	} else {
		b = append(appendFlags(b, flags, `\*`), "] flags that can be changed\r\n"...)
	}
	s.out.Write(b)
}
