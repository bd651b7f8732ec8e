package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// A View is a mailbox as one IMAP session sees it: the messages that the client was
// told of, with their sequence numbers (RFC 9051 §2.3.1.2). The mailbox may change at
// any time; the view changes only when the session says so, by [View.Sync] and
// [View.Expunge], each of which returns what the client must be told.
//
// A view costs memory for each gap in the UIDs, not for each message. It belongs to
// one goroutine.
type View struct {
	account Account
	mailbox Mailbox

	visible UIDSet   // the messages that have a sequence number
	starts  []uint32 // starts[i] is the sequence number of visible[i].First
	pending UIDSet   // those of visible that are gone from the mailbox
	cursor  ModSeq   // all that happened up to here is in the view
	own     []ModSeq // changes after cursor that the client knows of
}

// NewView returns the view of a mailbox of the account as it is now.
func NewView(ctx context.Context, a Account, m Mailbox) (*View, error) {
	v := &View{account: a, mailbox: m}
	visible, cursor, err := v.load(ctx)
	if err != nil {
		return nil, err
	}
	v.cursor = cursor
	v.setVisible(visible)
	return v, nil
}

// Len returns how many messages have a sequence number: the EXISTS of the session.
func (v *View) Len() int {
	if len(v.visible) == 0 {
		return 0
	}
	last := len(v.visible) - 1
	return int(v.starts[last]) + v.visible[last].Len() - 1
}

// UID returns the UID of a sequence number, 0 if there is no such number.
func (v *View) UID(seq uint32) UID {
	if seq == 0 || int(seq) > v.Len() {
		return 0
	}
	i := v.rangeOf(seq)
	return v.visible[i].First + UID(seq-v.starts[i])
}

// rangeOf returns the index of the range that has the sequence number.
func (v *View) rangeOf(seq uint32) int {
	return sort.Search(len(v.starts), func(i int) bool { return v.starts[i] > seq }) - 1
}

// Seq returns the sequence number of a UID, 0 if it has none.
func (v *View) Seq(uid UID) uint32 {
	i := v.visible.search(uid)
	if i == len(v.visible) || uid < v.visible[i].First {
		return 0
	}
	return v.starts[i] + uint32(uid-v.visible[i].First)
}

// UIDs returns the UIDs of all messages that have a sequence number. The set changes
// with the next Sync or Expunge.
func (v *View) UIDs() UIDSet { return v.visible }

// Pending returns those of UIDs that are gone from the mailbox, as far as the last Sync
// could tell. They keep their sequence numbers until Expunge; a command that
// addresses one is answered as far as it goes, with NO [EXPUNGEISSUED] where RFC 5530
// §3 wants it. The set changes with the next Sync or Expunge.
func (v *View) Pending() UIDSet { return v.pending }

// ModSeq returns the ModSeq up to which the view contains all that happened in the
// mailbox. It may be greater than the mailbox's HighestModSeq.
func (v *View) ModSeq() ModSeq { return v.cursor }

// Resolve returns the UIDs of a set of sequence numbers, in which "*" is the
// greatest. The error wraps ErrNotExist if a number is greater than Len, or the view
// empty: the client does not know its mailbox, and is told BAD (RFC 9051 §9, seq-number).
func (v *View) Resolve(set NumSet) (UIDSet, error) {
	numbers := set.numbers(uint32(v.Len()))
	if numbers.IsEmpty() || int(numbers.Max()) > v.Len() {
		return nil, fmt.Errorf("sequence number beyond %d: %w", v.Len(), ErrNotExist)
	}
	var uids UIDSet
	for _, r := range numbers {
		first, last := uint32(r.First), uint32(r.Last)
		for i := v.rangeOf(first); i < len(v.visible) && v.starts[i] <= last; i++ {
			u := v.visible[i]
			skip := UID(max(first, v.starts[i]) - v.starts[i])
			uids.AddRange(u.First+skip, min(u.Last, u.First+UID(last-v.starts[i])))
		}
	}
	return uids, nil
}

// ResolveUIDs returns those UIDs of a set that have a sequence number. "*" is the
// greatest of them, so that "n:*" has at least the last message (RFC 9051 §6.4.9).
func (v *View) ResolveUIDs(set NumSet) UIDSet {
	return set.numbers(uint32(v.visible.Max())).Intersect(v.visible)
}

// numbers returns the set in order, with star for "*". Without a star, which is 0
// where nothing is there, ranges that have one are left out.
func (set NumSet) numbers(star uint32) UIDSet {
	ranges := make([]UIDRange, 0, len(set))
	for _, r := range set {
		a, b := cmp.Or(r.First, star), cmp.Or(r.Last, star)
		if a != 0 && b != 0 {
			ranges = append(ranges, UIDRange{UID(min(a, b)), UID(max(a, b))})
		}
	}
	// In this order each AddRange is cheap.
	slices.SortFunc(ranges, func(x, y UIDRange) int { return cmp.Compare(x.First, y.First) })
	var out UIDSet
	for _, r := range ranges {
		out.AddRange(r.First, r.Last)
	}
	return out
}

// Seqs returns the sequence numbers of uids as ascending ranges that neither overlap
// nor touch. UIDs without a number are passed over.
func (v *View) Seqs(uids UIDSet) NumSet {
	var set NumSet
	for _, r := range uids.Intersect(v.visible) {
		// The UIDs of a range in the intersection are of one range of the view.
		first := v.Seq(r.First)
		last := first + uint32(r.Last-r.First)
		if n := len(set); n > 0 && set[n-1].Last+1 == first {
			set[n-1].Last = last
		} else {
			set = append(set, NumRange{first, last})
		}
	}
	return set
}

// Own tells the view that this session changed the flags in the change of the given
// ModSeq, and that the client knows or wants not to: the next Sync does not report it.
// What others changed it does report, also where STORE was .SILENT (RFC 9051 §6.4.6).
func (v *View) Own(seq ModSeq) {
	if seq > v.cursor && !slices.Contains(v.own, seq) {
		v.own = append(v.own, seq)
	}
}

// An Update is what Sync found.
type Update struct {
	// Arrived are messages that have got a sequence number, after all others: the
	// client must be told EXISTS.
	Arrived UIDSet
	// Flagged are messages whose flags changed: the client is told by FETCH. None of
	// them is new or gone.
	Flagged UIDSet
	// Vanished are messages that are newly Pending.
	Vanished UIDSet
}

// IsEmpty reports whether nothing happened.
func (u Update) IsEmpty() bool {
	return u.Arrived.IsEmpty() && u.Flagged.IsEmpty() && u.Vanished.IsEmpty()
}

// Sync brings the view up to date and returns what is new. New messages get sequence
// numbers; messages that are gone keep theirs until [View.Expunge]. It costs what happened
// since the last Sync, however many messages there are, unless the account has
// forgotten that: then it compares with the whole mailbox.
//
// The error wraps ErrNotExist if the mailbox was deleted. After any error the view is
// as it was.
func (v *View) Sync(ctx context.Context) (Update, error) {
	d, err := v.changes(ctx, v.cursor)
	if errors.Is(err, ErrForgotten) {
		d, err = v.compare(ctx)
	}
	if err != nil {
		return Update{}, err
	}
	return v.apply(d), nil
}

// delta is what happened in a mailbox up to a ModSeq. What arrived may have vanished
// again.
type delta struct {
	arrived, flagged, vanished UIDSet
	upTo                       ModSeq
}

// changes reads from the log what happened after since.
func (v *View) changes(ctx context.Context, since ModSeq) (delta, error) {
	// The log of one mailbox cannot say how far the account is: without that, the
	// cursor of a quiet mailbox would fall behind what a busy account remembers.
	upTo, err := v.account.ModSeq(ctx)
	if err != nil || upTo <= since {
		return delta{upTo: since}, err
	}
	d := delta{upTo: upTo}
	for c, err := range v.account.Changes(ctx, since, v.mailbox.ID()) {
		if err != nil {
			return delta{}, err
		}
		if err := v.note(&d, c); err != nil {
			return delta{}, err
		}
	}
	return d, nil
}

// note adds a change to d.
func (v *View) note(d *delta, c Change) error {
	d.upTo = max(d.upTo, c.ModSeq)
	switch c.Kind {
	case MessagesArrived:
		d.arrived.AddSet(c.UIDs)
	case MessagesFlagged:
		if !slices.Contains(v.own, c.ModSeq) {
			d.flagged.AddSet(c.UIDs)
		}
	case MessagesVanished:
		d.vanished.AddSet(c.UIDs)
	case MailboxDeleted:
		return &Error{Op: "follow", Account: v.account.Name(), Mailbox: c.MailboxID, Err: ErrNotExist}
	}
	return nil
}

// compare finds by looking at the whole mailbox what the log has forgotten. It cannot
// tell own changes of flags from others'.
func (v *View) compare(ctx context.Context) (delta, error) {
	now, upTo, err := v.load(ctx)
	if err != nil {
		return delta{}, err
	}
	d := delta{arrived: now.Subtract(v.visible), vanished: v.visible.Subtract(now), upTo: upTo}
	for msg, err := range v.mailbox.Scan(ctx, ScanQuery{ChangedSince: v.cursor}) {
		if err != nil {
			return delta{}, err
		}
		d.flagged.Add(msg.UID)
	}
	return d, nil
}

// load returns the UIDs of the mailbox as it is at some ModSeq.
func (v *View) load(ctx context.Context) (UIDSet, ModSeq, error) {
	// Enough even for a log that is shorter than what happens during a Scan now and
	// then.
	const tries = 5
	for try := 1; ; try++ {
		before, err := v.account.ModSeq(ctx)
		if err != nil {
			return nil, 0, err
		}
		uids, err := ListUIDs(ctx, v.mailbox)
		if err != nil {
			return nil, 0, err
		}
		// What happened during the listing may or may not be in it; UIDs never come
		// back, so that doing it again does no harm.
		d, err := v.changes(ctx, before)
		if errors.Is(err, ErrForgotten) && try < tries {
			continue
		}
		return uids.Union(d.arrived).Subtract(d.vanished), d.upTo, err
	}
}

// apply changes the view.
func (v *View) apply(d delta) Update {
	u := Update{
		Vanished: d.vanished.Intersect(v.visible).Subtract(v.pending),
		Arrived:  d.arrived.Subtract(d.vanished).Subtract(v.visible),
	}
	v.pending = v.pending.Union(u.Vanished)
	u.Flagged = d.flagged.Intersect(v.visible).Subtract(v.pending)
	v.show(u.Arrived)
	v.cursor = d.upTo
	v.own = slices.DeleteFunc(v.own, func(seq ModSeq) bool { return seq <= v.cursor })
	return u
}

// show gives sequence numbers to new messages, whose UIDs are greater than all before.
func (v *View) show(uids UIDSet) {
	for _, r := range uids {
		next := uint32(v.Len()) + 1
		v.visible.AddRange(r.First, r.Last)
		if len(v.visible) > len(v.starts) {
			v.starts = append(v.starts, next)
		}
	}
}

// setVisible replaces the messages that have a sequence number. The view owns uids from
// now on: show changes it in place.
func (v *View) setVisible(uids UIDSet) {
	v.visible = uids
	v.starts = make([]uint32, len(uids))
	next := uint32(1)
	for i, r := range uids {
		v.starts[i] = next
		next += uint32(r.Len())
	}
}

// Expunge takes away the sequence numbers of the messages that are Pending. It returns the
// numbers to announce by EXPUNGE, in order, each as it is after those before it were
// announced (RFC 9051 §7.5.1), and the UIDs for VANISHED (RFC 7162 §3.2.10).
func (v *View) Expunge() (seqs []uint32, uids UIDSet) {
	if v.pending.IsEmpty() {
		return nil, nil
	}
	uids, v.pending = v.pending, nil
	for _, r := range uids {
		seq := v.Seq(r.First) - uint32(len(seqs))
		for range r.Len() {
			seqs = append(seqs, seq)
		}
	}
	v.setVisible(v.visible.Subtract(uids))
	return seqs, uids
}
