package memstore

import (
	"slices"
	"sort"
	"time"

	"github.com/postrider/postrider/store"
)

// mailbox is one mailbox. The store's mutex guards it.
type mailbox struct {
	id          string
	name        string
	specialUse  []string
	uidValidity uint32
	uidNext     store.UID
	unclaimed   store.UID // the least UID that no TakeRecent returned
	modSeq      store.ModSeq
	deleted     bool

	messages       []*mail      // in ascending order of UID
	unseen, doomed int          // how many are without \Seen, with \Deleted
	size           int64        // of all messages
	keywords       []store.Flag // all that ever were, in their first spelling
}

// mail is one message in a mailbox. Its flags are replaced, never changed.
type mail struct {
	store.Message
	content []byte
}

func (m *mailbox) info() store.MailboxInfo {
	return store.MailboxInfo{ID: m.id, Name: m.name, SpecialUse: slices.Clone(m.specialUse), Status: m.status()}
}

func (m *mailbox) status() store.Status {
	return store.Status{
		UIDValidity: m.uidValidity, UIDNext: m.uidNext, HighestModSeq: m.modSeq,
		Messages: len(m.messages), Unseen: m.unseen, Deleted: m.doomed,
		Recent: len(m.messages) - m.search(m.unclaimed),
		Size:   m.size, Keywords: slices.Clip(m.keywords),
	}
}

// search returns the index of the first message with that UID or a greater one.
func (m *mailbox) search(uid store.UID) int {
	return sort.Search(len(m.messages), func(i int) bool { return m.messages[i].UID >= uid })
}

// from returns the first message of uids with that UID or a greater one. Nil uids are
// all.
func (m *mailbox) from(uid store.UID, uids store.UIDSet) *mail {
	for uid != 0 {
		i := m.search(uid)
		if i == len(m.messages) {
			return nil
		}
		found := m.messages[i]
		if uids == nil || uids.Contains(found.UID) {
			return found
		}
		uid = uids.Next(found.UID)
	}
	return nil
}

// selected returns the messages of uids.
func (m *mailbox) selected(uids store.UIDSet) []*mail {
	var out []*mail
	for _, r := range uids {
		for i := m.search(r.First); i < len(m.messages) && m.messages[i].UID <= r.Last; i++ {
			out = append(out, m.messages[i])
		}
	}
	return out
}

// uids returns the UIDs of all messages.
func (m *mailbox) uids() store.UIDSet { return uidsOf(m.messages) }

func uidsOf(messages []*mail) store.UIDSet {
	var uids store.UIDSet
	for _, msg := range messages {
		uids.Add(msg.UID)
	}
	return uids
}

// count adds a message to the sums, or takes it away if n is -1.
func (m *mailbox) count(msg *mail, n int) {
	m.size += int64(n) * msg.Size
	if !store.HasFlag(msg.Flags, store.FlagSeen) {
		m.unseen += n
	}
	if store.HasFlag(msg.Flags, store.FlagDeleted) {
		m.doomed += n
	}
}

// learn adds the keywords among the flags to those of the mailbox, all of them or,
// with ErrLimit, none.
func (m *mailbox) learn(flags ...[]store.Flag) error {
	keywords := slices.Clip(m.keywords)
	for _, f := range slices.Concat(flags...) {
		if !f.IsSystem() && !store.HasFlag(keywords, f) {
			keywords = append(keywords, f)
		}
	}
	if len(keywords) > store.MaxKeywords {
		return store.ErrLimit
	}
	m.keywords = keywords
	return nil
}

// spelled returns flags with the keywords as the mailbox spells them. It has learned
// them before.
func (m *mailbox) spelled(flags []store.Flag) []store.Flag {
	out := slices.Clone(flags)
	for i, f := range out {
		if k := slices.IndexFunc(m.keywords, f.Equal); k >= 0 {
			out[i] = m.keywords[k]
		}
	}
	return out
}

// put adds messages, whose flags the mailbox has learned, and returns their UIDs
// and the ModSeq of their arrival.
func (a *account) put(m *mailbox, messages []*mail) (store.UIDSet, store.ModSeq) {
	now := time.Now()
	uids := store.RangeOfUIDs(m.uidNext, m.uidNext+store.UID(len(messages))-1)
	seq := a.log(store.MessagesArrived, m, uids)
	for _, msg := range messages {
		msg.UID, msg.ModSeq, msg.SaveDate = m.uidNext, seq, now
		msg.Flags = m.spelled(msg.Flags)
		m.uidNext++
		m.messages = append(m.messages, msg)
		m.count(msg, 1)
	}
	return uids, seq
}

// remove removes messages of m, at least one, and returns the ModSeq of that.
func (a *account) remove(m *mailbox, uids store.UIDSet) store.ModSeq {
	m.messages = slices.DeleteFunc(m.messages, func(msg *mail) bool {
		gone := uids.Contains(msg.UID)
		if gone {
			m.count(msg, -1)
		}
		return gone
	})
	return a.log(store.MessagesVanished, m, uids)
}

// copyMessages copies messages from one mailbox to another or the same, and
// removes the originals if they are to move.
func (a *account) copyMessages(from, to *mailbox, uids store.UIDSet, move bool) (store.Copied, error) {
	originals := from.selected(uids)
	c := store.Copied{MailboxID: to.id, UIDValidity: to.uidValidity}
	if len(originals) == 0 {
		return c, nil
	}
	copies := make([]*mail, len(originals))
	flags := make([][]store.Flag, len(originals))
	for i, msg := range originals {
		twin := *msg
		copies[i], flags[i] = &twin, msg.Flags
	}
	if err := to.learn(flags...); err != nil {
		return store.Copied{}, err
	}
	c.Source = uidsOf(originals)
	c.Dest, c.ModSeq = a.put(to, copies)
	if move {
		c.ModSeq = a.remove(from, c.Source)
	}
	return c, nil
}
