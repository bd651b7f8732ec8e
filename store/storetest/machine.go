package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// model is what an account should be: the plainest thing that keeps the promises.
type model struct {
	boxes map[string]*box // by name
}

type box struct {
	id       string
	validity uint32
	next     store.UID // at least
	mails    map[store.UID]mail
}

type mail struct {
	id, body string
	date     int64
	flags    []store.Flag
	modSeq   store.ModSeq
}

func (b *box) uids() store.UIDSet { return store.UIDs(slices.Collect(maps.Keys(b.mails))...) }

// moment is what was there at some ModSeq.
type moment struct {
	seq   store.ModSeq
	boxes map[string]map[store.UID]mail // by ID
	names map[string]string             // by ID
}

// machine runs random operations on an account and on its model.
type machine struct {
	*kit
	a       store.Account
	model   model
	moments []moment
	count   int
}

// machineNames are the mailboxes that a machine plays with.
var machineNames = []string{"INBOX", "a", "a/b", "c", "INBOX/d"}

var machines atomic.Int64

func checkReplay(k *kit) {
	rapid.Check(k.t, func(t *rapid.T) {
		sub := *k
		sub.tb = t
		name := fmt.Sprintf("account%d", machines.Add(1))
		m := &machine{kit: &sub, a: sub.account(name, "a", "a/b"), model: model{boxes: map[string]*box{}}}
		for _, info := range sub.mailboxes(m.a) {
			m.model.boxes[info.Name] = &box{id: info.ID, validity: info.Status.UIDValidity, next: 1, mails: map[store.UID]mail{}}
		}
		m.remember()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "deliver": m.deliverTwo, "set flags": m.flag, "expunge": m.expunge,
			"copy": func(t *rapid.T) { m.copy(t, false) }, "move": func(t *rapid.T) { m.copy(t, true) },
			"create": m.create, "delete": m.delete, "rename": m.rename, "": m.compare,
		})
		for _, then := range m.moments {
			m.replay(then)
		}
	})
}

func (m *machine) name(t *rapid.T, label string) string {
	return rapid.SampledFrom(machineNames).Draw(t, label)
}

// pick draws a mailbox that is there.
func (m *machine) pick(t *rapid.T) (*box, store.Mailbox) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.model.boxes))).Draw(t, "mailbox")
	return m.model.boxes[name], m.open(m.a, name)
}

func (m *machine) flags(t *rapid.T) []store.Flag {
	all := []store.Flag{store.FlagSeen, store.FlagDeleted, "$A", "$B"}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 3, func(f store.Flag) store.Flag { return f }).Draw(t, "flags")
}

func (m *machine) set(t *rapid.T) store.UIDSet {
	var uids store.UIDSet
	for range rapid.IntRange(1, 3).Draw(t, "ranges") {
		first := store.UID(rapid.IntRange(1, 20).Draw(t, "first"))
		uids.AddRange(first, first+store.UID(rapid.IntRange(0, 5).Draw(t, "more")))
	}
	return uids
}

// arrive notes in the model that a message was placed.
func (m *machine) arrive(b *box, p store.Placed, want mail) {
	if p.MailboxID != b.id || p.UIDValidity != b.validity || p.UID < b.next {
		m.broken("placed at %+v; the mailbox is %s with UIDValidity %d, next is %d", p, b.id, b.validity, b.next)
	}
	want.id, want.modSeq = p.ID, p.ModSeq
	b.mails[p.UID] = want
	b.next = p.UID + 1
}

func (m *machine) newMail(t *rapid.T) (mail, store.NewMessage) {
	m.count++
	date := time.Unix(int64(1_700_000_000+m.count), 0).UTC()
	n := mail{body: text(m.count), date: date.Unix(), flags: m.flags(t)}
	return n, store.NewMessage{Content: postrider.String(n.body), Flags: n.flags, InternalDate: date}
}

func (m *machine) append(t *rapid.T) {
	b, box := m.pick(t)
	var want []mail
	var msgs []store.NewMessage
	for range rapid.IntRange(1, 3).Draw(t, "n") {
		w, n := m.newMail(t)
		want, msgs = append(want, w), append(msgs, n)
	}
	placed, err := box.Append(m.ctx, msgs)
	m.must(err)
	for i, p := range placed {
		m.arrive(b, p, want[i])
	}
	m.remember()
}

func (m *machine) deliverTwo(t *rapid.T) {
	want, n := m.newMail(t)
	var to []store.Target
	for range 2 {
		to = append(to, store.Target{
			Account: m.a.Name(), Mailbox: m.name(t, "to"), Create: true, Flags: n.Flags, InternalDate: n.InternalDate,
		})
	}
	placed, err := m.s.Deliver(m.ctx, n.Content, to)
	m.must(err)
	for i, p := range placed {
		b := m.model.boxes[to[i].Mailbox]
		if b == nil {
			b = m.made(to[i].Mailbox, p.MailboxID, p.UIDValidity)
		}
		m.arrive(b, p, want)
	}
	m.remember()
}

// made adds a mailbox to the model.
func (m *machine) made(name, id string, validity uint32) *box {
	b := &box{id: id, validity: validity, next: 1, mails: map[store.UID]mail{}}
	for other, o := range m.model.boxes {
		if o.id == id || o.validity >= validity {
			m.broken("%s is made with ID %s and UIDValidity %d; %s has %s and %d", name, id, validity, other, o.id, o.validity)
		}
	}
	m.model.boxes[name] = b
	return b
}

func (m *machine) flag(t *rapid.T) {
	b, box := m.pick(t)
	c := store.FlagChange{
		UIDs: m.set(t), Flags: m.flags(t),
		Op: rapid.SampledFrom([]store.FlagOp{store.FlagsAdd, store.FlagsRemove, store.FlagsReplace}).Draw(t, "op"),
	}
	if rapid.Bool().Draw(t, "conditional") {
		c.UnchangedSince = rapid.SampledFrom(m.moments).Draw(t, "since").seq
	}
	var want store.FlagResult
	for uid := range b.uids().Intersect(c.UIDs).All() {
		msg := b.mails[uid]
		if c.UnchangedSince > 0 && msg.modSeq > c.UnchangedSince {
			want.Modified.Add(uid)
		} else if now := c.Op.Apply(msg.flags, c.Flags); !store.FlagsEqual(msg.flags, now) {
			want.Changed.Add(uid)
			msg.flags = now
			b.mails[uid] = msg
		}
	}
	got, err := box.SetFlags(m.ctx, c)
	m.must(err)
	if !slices.Equal(got.Changed, want.Changed) || !slices.Equal(got.Modified, want.Modified) {
		m.broken("%+v: got %+v, want %+v", c, got, want)
	}
	for uid := range got.Changed.All() {
		msg := b.mails[uid]
		msg.modSeq = got.ModSeq
		b.mails[uid] = msg
	}
	m.remember()
}

func (m *machine) expunge(t *rapid.T) {
	b, box := m.pick(t)
	uids, having := m.set(t), m.flags(t)
	var want store.UIDSet
	for uid := range b.uids().Intersect(uids).All() {
		if !slices.ContainsFunc(having, func(f store.Flag) bool { return !store.HasFlag(b.mails[uid].flags, f) }) {
			want.Add(uid)
			delete(b.mails, uid)
		}
	}
	got, err := box.Expunge(m.ctx, uids, having...)
	m.must(err)
	if !slices.Equal(got.UIDs, want) {
		m.broken("expunge %s having %q: got %s, want %s", uids, having, got.UIDs, want)
	}
	m.remember()
}

func (m *machine) copy(t *rapid.T, move bool) {
	b, from := m.pick(t)
	to, uids := m.name(t, "to"), m.set(t)
	f := from.Copy
	if move {
		f = from.Move
	}
	c, err := f(m.ctx, uids, to)
	target := m.model.boxes[to]
	if target == nil {
		m.want(err, store.ErrNotExist, "copy to %s", to)
		return
	}
	m.must(err)
	want := b.uids().Intersect(uids)
	if !slices.Equal(c.Source, want) || c.Dest.Len() != want.Len() {
		m.broken("copy %s: got %s to %s, want %s", uids, c.Source, c.Dest, want)
	}
	for i := range c.Source.Len() {
		msg := b.mails[c.Source.Nth(i)]
		now := m.one(m.open(m.a, to), c.Dest.Nth(i))
		if now.ID != msg.id {
			m.broken("the ID was %s and is %s", msg.id, now.ID)
		}
		m.arrive(target, store.Placed{MailboxID: c.MailboxID, UIDValidity: c.UIDValidity, UID: now.UID, ModSeq: now.ModSeq, ID: now.ID}, msg)
		if move {
			delete(b.mails, c.Source.Nth(i))
		}
	}
	m.remember()
}

func (m *machine) create(t *rapid.T) {
	name := m.name(t, "name")
	info, err := m.a.Create(m.ctx, store.NewMailbox{Name: name})
	if m.model.boxes[name] != nil {
		m.want(err, store.ErrExist, "create %s", name)
		return
	}
	m.must(err)
	m.made(name, info.ID, info.Status.UIDValidity)
	m.remember()
}

func (m *machine) delete(t *rapid.T) {
	name := m.name(t, "name")
	err := m.a.Delete(m.ctx, name)
	switch {
	case name == "INBOX":
		m.want(err, store.ErrName, "delete INBOX")
	case m.model.boxes[name] == nil:
		m.want(err, store.ErrNotExist, "delete %s", name)
	default:
		m.must(err)
		delete(m.model.boxes, name)
		m.remember()
	}
}

func (m *machine) rename(t *rapid.T) {
	from, to := m.name(t, "from"), m.name(t, "to")
	boxes := m.model.boxes
	moves := map[string]string{}
	var want error
	for name := range boxes {
		if name == from || from != "INBOX" && store.IsBelow(name, from) {
			moves[name] = to + name[len(from):]
			if boxes[moves[name]] != nil {
				want = store.ErrExist
			}
		}
	}
	switch {
	case len(moves) == 0:
		want = store.ErrNotExist
	case boxes[to] != nil || from == to:
		want = store.ErrExist
	case from != "INBOX" && store.IsBelow(to, from):
		want = store.ErrName
	}
	err := m.a.Rename(m.ctx, from, to)
	if want != nil {
		m.want(err, want, "rename %s to %s", from, to)
		return
	}
	m.must(err)
	if from == "INBOX" {
		m.renameInbox(to)
	} else {
		for old, name := range moves {
			boxes[name] = boxes[old]
			delete(boxes, old)
		}
	}
	m.remember()
}

func (m *machine) renameInbox(to string) {
	inbox, moved := m.model.boxes["INBOX"], m.open(m.a, to)
	b := m.made(to, moved.ID(), m.status(moved).UIDValidity)
	list := m.scan(moved, store.ScanQuery{Fields: store.FieldIDs})
	olds := slices.Sorted(maps.Keys(inbox.mails))
	if len(list) != len(olds) {
		m.broken("INBOX had %d messages, %s has %d", len(olds), to, len(list))
	}
	for i, uid := range olds {
		now, msg := list[i], inbox.mails[uid]
		if now.ID != msg.id {
			m.broken("the ID was %s and is %s", msg.id, now.ID)
		}
		m.arrive(b, store.Placed{MailboxID: b.id, UIDValidity: b.validity, UID: now.UID, ModSeq: now.ModSeq, ID: now.ID}, msg)
	}
	clear(inbox.mails)
}

// compare compares the account with the model.
func (m *machine) compare(*rapid.T) {
	names := slices.SortedFunc(maps.Keys(m.model.boxes), store.CompareNames)
	if got := m.names(m.a); !slices.Equal(got, names) {
		m.broken("mailboxes are %q, want %q", got, names)
	}
	for _, name := range names {
		b, box := m.model.boxes[name], m.open(m.a, name)
		if st := m.status(box); box.ID() != b.id || st.UIDValidity != b.validity || st.UIDNext < b.next {
			m.broken("%s is %s %+v, want ID %s, UIDValidity %d, UIDNext %d or more", name, box.ID(), st, b.id, b.validity, b.next)
		}
		m.recount(box)
		list := m.scan(box, store.ScanQuery{Fields: store.FieldIDs})
		if len(list) != len(b.mails) {
			m.broken("%s has %d messages, want %s", name, len(list), b.uids())
		}
		for _, got := range list {
			want, ok := b.mails[got.UID]
			if !ok || got.ID != want.id || got.ModSeq != want.modSeq || got.InternalDate.Unix() != want.date ||
				got.Size != int64(len(want.body)) || !store.FlagsEqual(got.Flags, want.flags) {
				m.broken("%s: got %+v, want %+v", name, got, want)
			}
		}
		if len(list) > 0 {
			uid := list[len(list)-1].UID
			if got := m.content(box, uid); got != b.mails[uid].body {
				m.broken("%s: UID %d is %q, want %q", name, uid, got, b.mails[uid].body)
			}
		}
	}
}

// now is the model's present.
func (m *machine) now() moment {
	at := moment{seq: m.modSeq(m.a), boxes: map[string]map[store.UID]mail{}, names: map[string]string{}}
	for name, b := range m.model.boxes {
		at.boxes[b.id] = maps.Clone(b.mails)
		at.names[b.id] = name
	}
	return at
}

func (m *machine) remember() { m.moments = append(m.moments, m.now()) }

// replay applies the log from a moment on to what was there then, and compares with
// the present.
func (m *machine) replay(then moment) {
	sets := map[string]store.UIDSet{}
	told := map[string]store.UIDSet{} // of which flags may be others
	for id, mails := range then.boxes {
		sets[id] = store.UIDs(slices.Collect(maps.Keys(mails))...)
	}
	renamed := map[string]bool{}
	for _, c := range m.changes(m.a, then.seq, "") {
		id := c.MailboxID
		switch c.Kind {
		case store.MailboxCreated:
			sets[id] = nil
			renamed[id] = true
		case store.MailboxRenamed:
			renamed[id] = true
		case store.MailboxDeleted:
			delete(sets, id)
		case store.MessagesArrived:
			sets[id] = sets[id].Union(c.UIDs)
			told[id] = told[id].Union(c.UIDs)
		case store.MessagesFlagged:
			told[id] = told[id].Union(c.UIDs)
		case store.MessagesVanished:
			sets[id] = sets[id].Subtract(c.UIDs)
		}
	}
	now := m.now()
	for id, set := range sets {
		if _, ok := now.boxes[id]; !ok {
			m.broken("after ModSeq %d, the log does not tell that mailbox %s is gone", then.seq, id)
		}
		if now.names[id] != then.names[id] && !renamed[id] {
			m.broken("after ModSeq %d, the log does not tell that %s is %s now", then.seq, then.names[id], now.names[id])
		}
		if want := store.UIDs(slices.Collect(maps.Keys(now.boxes[id]))...); !slices.Equal(set, want) {
			m.broken("after ModSeq %d, the log leads to %s in %s, but there are %s", then.seq, set, now.names[id], want)
		}
		for uid, msg := range then.boxes[id] {
			if is, ok := now.boxes[id][uid]; ok && !store.FlagsEqual(is.flags, msg.flags) && !told[id].Contains(uid) {
				m.broken("after ModSeq %d, the log does not tell that the flags of %d in %s changed", then.seq, uid, now.names[id])
			}
		}
	}
	if len(sets) != len(now.boxes) {
		m.broken("after ModSeq %d, the log leads to %d mailboxes, but there are %d", then.seq, len(sets), len(now.boxes))
	}
}
