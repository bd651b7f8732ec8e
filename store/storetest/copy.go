package storetest

import (
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var copyPromises = []promise{
	{
		name:  "Copy keeps flags, dates, bytes and the ID",
		text:  "Copy copies messages to another mailbox of the account, or the same, with their flags and internal dates (RFC 9051 §6.4.7). Copies in the account have the same ID.",
		check: checkCopy,
	}, {
		name:  "Copy to the same mailbox makes new messages",
		text:  "Copy copies messages to another mailbox of the account, or the same.",
		check: checkCopySame,
	}, {
		name:  "Copy never makes a mailbox",
		text:  "All or none. ErrNotExist if the mailbox to is not there: it is never made. UIDs that are not there are passed over.",
		check: checkCopyNowhere,
	}, {
		name:  "Move is a copy and the removal in one step",
		text:  "Move is Copy and the removal of the originals in one step (RFC 6851), also to the same mailbox, where the messages get new UIDs.",
		check: checkMove,
	},
}

var expungePromises = []promise{{
	name:  "Expunge removes what has the flags",
	text:  "Expunge removes those messages of uids that carry all the flags of having at that moment, and returns which. UIDs that are not there are passed over.",
	check: checkExpunge,
}}

// mixed appends five messages with various flags and dates, and removes the fourth.
func (k *kit) mixed(m store.Mailbox) {
	k.Helper()
	for i, flags := range [][]store.Flag{{}, {store.FlagSeen, "$A"}, {store.FlagDeleted, "$b"}, {}, {store.FlagDraft, "$B"}} {
		date := time.Date(2020, 1, i+1, 12, 0, 0, 0, time.FixedZone("", i*3600))
		k.must(second(m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(i)), Flags: flags, InternalDate: date}})))
	}
	k.must(second(m.Expunge(k.ctx, store.UIDs(4))))
}

// twins compares what a copy must keep.
func (k *kit) twins(from store.Message, m store.Mailbox, to store.UID, content string) {
	k.Helper()
	got := k.one(m, to)
	switch {
	case !store.FlagsEqual(from.Flags, got.Flags):
		k.broken("flags were %q and are %q", from.Flags, got.Flags)
	case from.InternalDate.Format(time.RFC3339) != got.InternalDate.Format(time.RFC3339):
		k.broken("the internal date was %s and is %s", from.InternalDate, got.InternalDate)
	case from.ID != got.ID || from.Size != got.Size || from.Summary.Envelope.Subject != got.Summary.Envelope.Subject:
		k.broken("the message was %+v and is %+v", from, got)
	case k.content(m, to) != content:
		k.broken("the bytes were %q and are %q", content, k.content(m, to))
	}
}

func checkCopy(k *kit) {
	a, m := k.inbox("to")
	to := k.open(a, "to")
	k.add(to, 2)
	k.mixed(m)
	before := k.scan(m, store.ScanQuery{Fields: store.FieldIDs | store.FieldSummary})
	seq := k.modSeq(a)
	c, err := m.Copy(k.ctx, store.RangeOfUIDs(2, 99), "to")
	k.must(err)
	if c.Source.String() != "2:3,5" || c.Dest.String() != "3:5" || c.MailboxID != to.ID() || c.UIDValidity != k.status(to).UIDValidity {
		k.broken("Copy says %+v", c)
	}
	for i := range 3 {
		k.twins(before[i+1], to, c.Dest.Nth(i), k.content(m, c.Source.Nth(i)))
		if got := k.one(to, c.Dest.Nth(i)).ModSeq; got <= seq || got > c.ModSeq {
			k.broken("the copy has ModSeq %d, Copy says %d, the account was at %d", got, c.ModSeq, seq)
		}
	}
	k.wantUIDs(m, "1:3,5")
	after := k.scan(m, store.ScanQuery{})
	for i := range after {
		if after[i].ModSeq != before[i].ModSeq {
			k.broken("an original changed: UID %d", after[i].UID)
		}
	}
	if c.ModSeq != k.modSeq(a) || k.status(to).HighestModSeq != c.ModSeq {
		k.broken("Copy says ModSeq %d, the account %d, the mailbox %d", c.ModSeq, k.modSeq(a), k.status(to).HighestModSeq)
	}
	k.recount(to)
	// The copies live on their own.
	k.setFlags(to, store.FlagsAdd, store.UIDs(3), store.FlagFlagged)
	k.wantFlags(m, 2, store.FlagSeen, "$A")
	content := k.content(to, 3)
	k.must(second(m.Expunge(k.ctx, store.AllUIDs())))
	if got := k.content(to, 3); got != content {
		k.broken("the copy's bytes went with the original's: %q", got)
	}
}

func checkCopySame(k *kit) {
	_, m := k.inbox()
	k.mixed(m)
	before := k.scan(m, store.ScanQuery{Fields: store.FieldIDs | store.FieldSummary})
	c, err := m.Copy(k.ctx, store.AllUIDs(), "inbox")
	k.must(err)
	if c.Source.String() != "1:3,5" || c.Dest.String() != "6:9" {
		k.broken("Copy says %+v", c)
	}
	for i, msg := range before {
		k.twins(msg, m, c.Dest.Nth(i), k.content(m, msg.UID))
	}
	k.wantUIDs(m, "1:3,5:9")
	k.recount(m)
}

func checkCopyNowhere(k *kit) {
	a, m := k.inbox("to")
	k.mixed(m)
	before := k.snapshot(a)
	k.want(second(m.Copy(k.ctx, store.AllUIDs(), "missing")), store.ErrNotExist, "copy to a missing mailbox")
	k.want(second(m.Move(k.ctx, store.AllUIDs(), "missing")), store.ErrNotExist, "move to a missing mailbox")
	for _, uids := range []store.UIDSet{nil, store.UIDs(4), store.RangeOfUIDs(6, 1000)} {
		for _, f := range []func(store.UIDSet) (store.Copied, error){
			func(u store.UIDSet) (store.Copied, error) { return m.Copy(k.ctx, u, "to") },
			func(u store.UIDSet) (store.Copied, error) { return m.Move(k.ctx, u, "INBOX") },
		} {
			c, err := f(uids)
			k.must(err)
			if !c.Source.IsEmpty() || !c.Dest.IsEmpty() {
				k.broken("of messages that are not there, copied %s to %s", c.Source, c.Dest)
			}
		}
	}
	k.unchanged(a, before, "what could not be copied")
}

func checkMove(k *kit) {
	a, m := k.inbox("to")
	to := k.open(a, "to")
	k.mixed(m)
	before := k.scan(m, store.ScanQuery{Fields: store.FieldIDs | store.FieldSummary})
	bytes := k.content(m, 2)
	c, err := m.Move(k.ctx, store.UIDs(2, 3, 4), "to")
	k.must(err)
	if c.Source.String() != "2:3" || c.Dest.String() != "1:2" || c.MailboxID != to.ID() || c.ModSeq != k.modSeq(a) {
		k.broken("Move says %+v", c)
	}
	k.wantUIDs(m, "1,5")
	k.twins(before[1], to, 1, bytes)
	k.recount(m)
	k.recount(to)

	content := k.content(m, 5)
	c, err = m.Move(k.ctx, store.AllUIDs(), "INBOX")
	k.must(err)
	if c.Source.String() != "1,5" || c.Dest.String() != "6:7" {
		k.broken("Move to the same mailbox says %+v", c)
	}
	k.wantUIDs(m, "6:7")
	k.twins(before[3], m, 7, content)
	k.recount(m)
}

func checkExpunge(k *kit) {
	a, m := k.inbox()
	for _, flags := range [][]store.Flag{{}, {store.FlagDeleted}, {store.FlagDeleted, store.FlagSeen}, {"$A"}, {store.FlagDeleted}, {}} {
		k.add(m, 1, flags...)
	}
	expunge := func(uids store.UIDSet, want string, having ...store.Flag) {
		k.Helper()
		before := k.modSeq(a)
		e, err := m.Expunge(k.ctx, uids, having...)
		k.must(err)
		if e.UIDs.String() != want {
			k.broken("expunged %q, want %q", e.UIDs, want)
		}
		if now := k.status(m).HighestModSeq; want != "" && (e.ModSeq != now || now <= before) || want == "" && (e.ModSeq != 0 || k.modSeq(a) != before) {
			k.broken("Expunge says ModSeq %d, the mailbox has %d, the account had %d", e.ModSeq, now, before)
		}
		k.recount(m)
	}
	expunge(store.UIDs(1, 2, 4, 99), "2", store.FlagDeleted)
	expunge(store.AllUIDs(), "3", store.FlagDeleted, store.FlagSeen)
	expunge(store.AllUIDs(), "", store.FlagDeleted, "$A")
	expunge(store.AllUIDs(), "5", `\DELETED`)
	expunge(store.UIDs(2, 3, 5), "")
	expunge(nil, "")
	expunge(store.UIDs(1), "1")
	k.wantUIDs(m, "4,6")
	expunge(store.AllUIDs(), "4,6")
	k.wantUIDs(m, "")
}
