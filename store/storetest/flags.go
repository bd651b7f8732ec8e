package storetest

import (
	"fmt"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var flagPromises = []promise{
	{
		name:  "SetFlags adds, removes and replaces",
		text:  "FlagsAdd and FlagsRemove leave other flags alone; FlagsReplace leaves just the given ones. \\Recent is passed over. UIDs that are not there are passed over.",
		check: checkSetFlags,
	}, {
		name:  "a flag that is set already changes nothing",
		text:  "A message whose flags do not change keeps its ModSeq; all that change get one new ModSeq.",
		check: checkFlagModSeq,
	}, {
		name:  "UnchangedSince is decided message by message",
		text:  "UnchangedSince, if not zero, leaves alone each message with a greater ModSeq, decided in the same step (RFC 7162 §3.1.3).",
		check: checkUnchangedSince,
	}, {
		name:  "keywords are the same in any case",
		text:  "Keywords are the same in any case; a mailbox keeps the spelling it saw first.",
		check: checkKeywords,
	}, {
		name:  "a mailbox has a bounded number of keywords",
		text:  "A mailbox may have at most MaxKeywords different keywords; what would bring another answers ErrLimit. A store may have to stop earlier, but not before 26.",
		check: checkKeywordLimit,
	},
}

func checkSetFlags(k *kit) {
	_, m := k.inbox()
	k.add(m, 2)
	k.add(m, 1, store.FlagSeen, "$A")
	k.must(second(m.Expunge(k.ctx, store.UIDs(2))))
	set := func(op store.FlagOp, uids store.UIDSet, want string, flags ...store.Flag) {
		k.Helper()
		if res := k.setFlags(m, op, uids, flags...); res.Changed.String() != want || !res.Modified.IsEmpty() {
			k.broken("changed %s and left %s, want %s", res.Changed, res.Modified, want)
		}
		k.recount(m)
	}
	set(store.FlagsAdd, store.AllUIDs(), "1,3", store.FlagFlagged, `\Recent`)
	k.wantFlags(m, 1, store.FlagFlagged)
	k.wantFlags(m, 3, store.FlagSeen, "$A", store.FlagFlagged)
	set(store.FlagsAdd, store.UIDs(1, 2, 3, 4), "1", store.FlagSeen)
	set(store.FlagsRemove, store.AllUIDs(), "1,3", store.FlagFlagged, store.FlagDraft)
	k.wantFlags(m, 1, store.FlagSeen)
	k.wantFlags(m, 3, store.FlagSeen, "$A")
	set(store.FlagsReplace, store.AllUIDs(), "1,3", store.FlagDraft, "$B")
	k.wantFlags(m, 1, store.FlagDraft, "$B")
	k.wantFlags(m, 3, store.FlagDraft, "$B")
	set(store.FlagsReplace, store.UIDs(3), "3")
	k.wantFlags(m, 3)
	set(store.FlagsReplace, store.UIDs(3), "", `\Recent`)
	set(store.FlagsAdd, store.UIDs(3), "")
	set(store.FlagsAdd, store.UIDs(2, 9), "", store.FlagSeen)
	set(store.FlagsAdd, nil, "", store.FlagSeen)
}

func checkFlagModSeq(k *kit) {
	a, m := k.inbox()
	k.add(m, 4)
	k.setFlags(m, store.FlagsAdd, store.UIDs(2), store.FlagSeen)
	before := k.scan(m, store.ScanQuery{})
	account := k.modSeq(a)
	res := k.setFlags(m, store.FlagsAdd, store.RangeOfUIDs(1, 3), store.FlagSeen)
	if res.Changed.String() != "1,3" || res.ModSeq <= account {
		k.broken("SetFlags says %+v, the account was at %d", res, account)
	}
	for i, msg := range k.scan(m, store.ScanQuery{}) {
		want := before[i].ModSeq
		if res.Changed.Contains(msg.UID) {
			want = res.ModSeq
		}
		if msg.ModSeq != want {
			k.broken("UID %d has ModSeq %d, want %d", msg.UID, msg.ModSeq, want)
		}
	}
	if st := k.status(m); st.HighestModSeq != res.ModSeq {
		k.broken("HighestModSeq is %d, want %d", st.HighestModSeq, res.ModSeq)
	}
	snapshot := k.snapshot(a)
	for _, op := range []store.FlagOp{store.FlagsAdd, store.FlagsReplace} {
		if res := k.setFlags(m, op, store.RangeOfUIDs(1, 3), store.FlagSeen); res.ModSeq != 0 || !res.Changed.IsEmpty() {
			k.broken("nothing was to change, but SetFlags says %+v", res)
		}
	}
	if res := k.setFlags(m, store.FlagsRemove, store.AllUIDs(), store.FlagDraft, "$Never"); res.ModSeq != 0 {
		k.broken("nothing was to change, but SetFlags says %+v", res)
	}
	k.unchanged(a, snapshot, "SetFlags of what is so already")
}

func checkUnchangedSince(k *kit) {
	_, m := k.inbox()
	k.add(m, 5)
	since := k.status(m).HighestModSeq
	k.setFlags(m, store.FlagsAdd, store.UIDs(2, 4), store.FlagFlagged)
	change := store.FlagChange{
		UIDs: store.RangeOfUIDs(1, 4), Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}, UnchangedSince: since,
	}
	res, err := m.SetFlags(k.ctx, change)
	k.must(err)
	if res.Changed.String() != "1,3" || res.Modified.String() != "2,4" {
		k.broken("SetFlags says %+v", res)
	}
	k.wantFlags(m, 1, store.FlagSeen)
	k.wantFlags(m, 2, store.FlagFlagged)
	// A message that would not change is Modified all the same.
	change.UIDs, change.Flags = store.UIDs(2, 5), []store.Flag{store.FlagFlagged}
	res, err = m.SetFlags(k.ctx, change)
	k.must(err)
	if res.Changed.String() != "5" || res.Modified.String() != "2" {
		k.broken("SetFlags says %+v", res)
	}
	change.UIDs, change.UnchangedSince = store.AllUIDs(), k.status(m).HighestModSeq
	res, err = m.SetFlags(k.ctx, change)
	k.must(err)
	if !res.Modified.IsEmpty() {
		k.broken("a message with just that ModSeq was left alone: %+v", res)
	}
	change.UnchangedSince, change.Op = 1, store.FlagsRemove // long before all
	res, err = m.SetFlags(k.ctx, change)
	k.must(err)
	if res.Modified.String() != "1:5" || res.ModSeq != 0 {
		k.broken("SetFlags says %+v", res)
	}
}

func checkKeywords(k *kit) {
	_, m := k.inbox("other")
	k.add(m, 1, "$Forwarded")
	k.add(m, 1)
	res := k.setFlags(m, store.FlagsAdd, store.AllUIDs(), "$FORWARDED")
	if res.Changed.String() != "2" {
		k.broken("changed %s, want 2", res.Changed)
	}
	if got := k.one(m, 2).Flags[0]; got != "$Forwarded" {
		k.broken("the mailbox spells it %q now", got)
	}
	if res := k.setFlags(m, store.FlagsReplace, store.UIDs(2), "$forwarded", "$forwardeD"); res.ModSeq != 0 {
		k.broken("another spelling is no change, but SetFlags says %+v", res)
	}
	if res := k.setFlags(m, store.FlagsRemove, store.AllUIDs(), "$fOrWaRdEd"); res.Changed.String() != "1:2" {
		k.broken("removed from %s, want 1:2", res.Changed)
	}
	k.setFlags(m, store.FlagsAdd, store.UIDs(1), "$FORWARDED", "NonJunk", "nonjunk")
	k.wantFlags(m, 1, "$Forwarded", "NonJunk")
	if got := k.one(m, 1).Flags; !(got[0] == "$Forwarded" || got[1] == "$Forwarded") {
		k.broken("the first spelling is forgotten: %q", got)
	}
	if got := k.status(m).Keywords; len(got) != 2 {
		k.broken("Keywords are %q", got)
	}
	k.must(second(m.Expunge(k.ctx, store.AllUIDs(), "$forwarded", "NONJUNK")))
	k.wantUIDs(m, "2")
}

func checkKeywordLimit(k *kit) {
	a, m := k.inbox("other")
	k.add(m, 2)
	keyword := func(n int) store.Flag { return store.Flag(fmt.Sprintf("k%d", n)) }
	var err error
	n := 0
	for n <= store.MaxKeywords && err == nil {
		var flags []store.Flag
		for range 13 {
			flags = append(flags, keyword(n))
			n++
		}
		_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: store.UIDs(1), Op: store.FlagsReplace, Flags: flags})
	}
	k.want(err, store.ErrLimit, "keyword number %d", n)
	if n <= 26 {
		k.broken("the limit is met before 26 keywords")
	}
	n = len(k.status(m).Keywords)
	for err = nil; err == nil; n++ {
		_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: store.UIDs(1), Op: store.FlagsReplace, Flags: []store.Flag{keyword(n)}})
	}
	k.want(err, store.ErrLimit, "keyword number %d", n)

	before := k.snapshot(a)
	extra := []store.Flag{store.FlagSeen, "one-too-many"}
	_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: store.FlagsAdd, Flags: extra})
	k.want(err, store.ErrLimit, "SetFlags beyond the limit")
	_, err = m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(1))}, {Content: postrider.String(text(1)), Flags: extra}})
	k.want(err, store.ErrLimit, "Append beyond the limit")
	_, err = k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", Mailbox: "other"}, {Account: "ann", Flags: extra}})
	k.want(err, store.ErrLimit, "Deliver beyond the limit")
	k.unchanged(a, before, "what was refused")

	other := k.open(a, "other")
	k.add(other, 1, extra...)
	before = k.snapshot(a)
	k.want(second(other.Copy(k.ctx, store.AllUIDs(), "INBOX")), store.ErrLimit, "Copy beyond the limit")
	k.want(second(other.Move(k.ctx, store.AllUIDs(), "INBOX")), store.ErrLimit, "Move beyond the limit")
	k.unchanged(a, before, "what was refused")
	k.setFlags(m, store.FlagsAdd, store.AllUIDs(), keyword(0), keyword(1))
}
