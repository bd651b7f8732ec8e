package imap

import (
	"slices"
	"strconv"

	"github.com/postrider/postrider/store"
)

// A statusItem is what STATUS can tell of a mailbox.
type statusItem struct {
	name  string
	value func(s *session, st *store.Status) int64
}

// statusItems are those of RFC 3501 §6.3.10, SIZE (RFC 8438), DELETED (RFC 9051 §6.3.11) and APPENDLIMIT (RFC 7889 §3.2).
var statusItems = []statusItem{
	{"MESSAGES", func(_ *session, st *store.Status) int64 { return int64(st.Messages) }},
	{"RECENT", func(_ *session, st *store.Status) int64 { return int64(st.Recent) }},
	{"UIDNEXT", func(_ *session, st *store.Status) int64 { return int64(st.UIDNext) }},
	{"UIDVALIDITY", func(_ *session, st *store.Status) int64 { return int64(st.UIDValidity) }},
	{"UNSEEN", func(_ *session, st *store.Status) int64 { return int64(st.Unseen) }},
	{"DELETED", func(_ *session, st *store.Status) int64 { return int64(st.Deleted) }},
	{"SIZE", func(_ *session, st *store.Status) int64 { return st.Size }},
	{"APPENDLIMIT", func(s *session, _ *store.Status) int64 { return s.set.maxMessage }},
}

// statusItems reads a list of items. Each counts once.
func (p *parser) statusItems() (items []*statusItem, err error) {
	err = p.list(false, func() error {
		name, err := p.word()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(statusItems, func(it statusItem) bool { return it.name == name })
		if i < 0 {
			return syntaxError("unknown status item " + name)
		}
		if it := &statusItems[i]; !slices.Contains(items, it) {
			items = append(items, it)
		}
		return nil
	})
	return items, err
}

// cmdStatus tells the state of a mailbox that need not be selected (RFC 3501 §6.3.10).
func (s *session) cmdStatus() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	name, noName := s.p.mailbox()
	if isSyntax(noName) {
		return noName
	}
	if err := s.p.sp(); err != nil {
		return err
	}
	items, err := s.p.statusItems()
	if err == nil {
		err = s.p.end()
	}
	if err == nil {
		err = noName
	}
	if err != nil {
		return err
	}
	m, err := s.account.Open(s.ctx, name)
	if err != nil {
		return err
	}
	defer m.Close()
	st, err := m.Status(s.ctx)
	if err != nil {
		return err
	}
	s.writeStatus(name, &st, items)
	return nil
}

// writeStatus writes a STATUS reply. An APPENDLIMIT of none is NIL.
func (s *session) writeStatus(name string, st *store.Status, items []*statusItem) {
	b := appendMailbox([]byte("* STATUS "), name)
	for i, it := range items {
		if i == 0 {
			b = append(b, " ("...)
		} else {
			b = append(b, ' ')
		}
		b = append(append(b, it.name...), ' ')
		if n := it.value(s, st); n == 0 && it.name == "APPENDLIMIT" {
			b = append(b, "NIL"...)
		} else {
			b = strconv.AppendInt(b, n, 10)
		}
	}
	s.out.Write(append(b, ")\r\n"...))
}
