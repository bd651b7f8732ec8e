package storetest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
)

var messagePromises = []promise{
	{
		name:  "UIDs ascend and are never used again",
		text:  "UIDs strictly ascend in the mailbox; UIDNext is greater than every UID that was ever given out (RFC 9051 §2.3.1.1).",
		check: checkUIDs,
	}, {
		name:  "Append says where the messages are",
		text:  "Append adds messages, all or none, with ascending UIDs in the order given. No messages are no change.",
		check: checkAppend,
	}, {
		name:  "Append adds all or none",
		text:  "Append adds messages, all or none.",
		check: checkAppendAtomic,
	}, {
		name:  "flags of a new message are canonical",
		text:  "Flags are set on the message, as CanonicalFlags returns them: without \\Recent, each but once. A mailbox keeps the spelling of a keyword that it saw first. ErrFlag.",
		check: checkNewFlags,
	}, {
		name:  "the internal date is kept",
		text:  "InternalDate is kept to the second at least, with its zone. Zero means now.",
		check: checkInternalDate,
	}, {
		name:  "the summary is kept",
		text:  "Its summary is computed once and kept with it.",
		check: checkSummary,
	}, {
		name:  "Status counts",
		text:  "Status returns the state of the mailbox at one moment: Messages, Unseen and Deleted count messages: all, those without \\Seen, those with \\Deleted. Size is the sum of all messages' sizes.",
		check: checkStatus,
	}, {
		name:  "Scan yields what was asked for",
		text:  "Scan yields the messages that q asks for, in ascending order of UID. UIDs limits the messages. Nil means all; an empty set that is not nil, none. ChangedSince limits them to those with a greater ModSeq.",
		check: checkScan,
	}, {
		name:  "a Scan goes on while things change",
		text:  "A message that is there all the time is yielded exactly once; one that comes or goes meanwhile, at most once. The consumer may stop early, take its time, and call any other method meanwhile.",
		check: checkScanMeanwhile,
	}, {
		name:  "a message is recent once",
		text:  "TakeRecent returns the UIDs that were given out and that no earlier call returned. Recent counts the messages that no TakeRecent has covered yet.",
		check: checkRecent,
	},
}

func checkUIDs(k *kit) {
	_, m := k.inbox("other")
	last, validity := store.UID(0), k.status(m).UIDValidity
	next := func(uid store.UID) {
		k.Helper()
		st := k.status(m)
		if uid <= last {
			k.broken("UID %d came after %d", uid, last)
		}
		if st.UIDNext <= uid {
			k.broken("UIDNext is %d after UID %d was given out", st.UIDNext, uid)
		}
		if st.UIDValidity != validity {
			k.broken("UIDValidity went from %d to %d", validity, st.UIDValidity)
		}
		last = uid
	}
	for range 3 {
		next(k.add(m, 1).Max())
		next(k.add(m, 1).Max())
		_, err := m.Expunge(k.ctx, store.UIDs(last))
		k.must(err)
		next(k.add(m, 1).Max())
		_, err = m.Expunge(k.ctx, store.AllUIDs()) // even if nothing is left
		k.must(err)
		next(k.add(m, 1).Max())
		c, err := m.Move(k.ctx, store.UIDs(last), "INBOX")
		k.must(err)
		next(c.Dest.Max())
		_, err = m.Move(k.ctx, store.UIDs(last), "other")
		k.must(err)
		placed, err := k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann"}})
		k.must(err)
		next(placed[0].UID)
	}
}

func checkAppend(k *kit) {
	a, m := k.inbox()
	k.add(m, 1)
	var msgs []store.NewMessage
	for i := range 5 {
		msgs = append(msgs, store.NewMessage{Content: postrider.String(text(100 + i))})
	}
	before := k.modSeq(a)
	placed, err := m.Append(k.ctx, msgs)
	k.must(err)
	if len(placed) != len(msgs) {
		k.broken("%d messages, %d places", len(msgs), len(placed))
	}
	last := store.UID(1)
	ids := map[string]bool{}
	for i, p := range placed {
		if p.UID <= last {
			k.broken("UID %d came after %d", p.UID, last)
		}
		last = p.UID
		if got := k.content(m, p.UID); got != text(100+i) {
			k.broken("UID %d is %q", p.UID, got)
		}
		msg := k.one(m, p.UID)
		if p.MailboxID != m.ID() || p.UIDValidity != k.status(m).UIDValidity || p.ModSeq != msg.ModSeq || p.ID != msg.ID {
			k.broken("placed %+v, message %+v", p, msg)
		}
		if p.ModSeq <= before || p.ModSeq > k.modSeq(a) {
			k.broken("ModSeq %d, was %d before and is %d", p.ModSeq, before, k.modSeq(a))
		}
		if !objectID.MatchString(p.ID) || ids[p.ID] {
			k.broken("the message has the ID %q", p.ID)
		}
		ids[p.ID] = true
	}
	snapshot := k.snapshot(a)
	placed, err = m.Append(k.ctx, nil)
	k.must(err)
	if len(placed) != 0 {
		k.broken("placed nothing at %v", placed)
	}
	k.unchanged(a, snapshot, "Append of nothing")
}

// brokenContent fails in the middle, as a spool file on a failing disk.
type brokenContent struct{ postrider.Content }

var errBroken = errors.New("the disk is on fire")

func (b brokenContent) ReadAt(p []byte, off int64) (int, error) {
	half := b.Size() / 2
	if off+int64(len(p)) <= half {
		return b.Content.ReadAt(p, off)
	}
	n, _ := b.Content.ReadAt(p[:max(0, half-off)], off)
	return n, errBroken
}

func checkAppendAtomic(k *kit) {
	a, m := k.inbox()
	k.add(m, 2)
	before := k.snapshot(a)
	good := store.NewMessage{Content: postrider.String(text(1))}
	large := postrider.Bytes(bytes.Repeat([]byte(text(2)), 2000))
	for doing, bad := range map[string]store.NewMessage{
		"a flag that is none":   {Content: good.Content, Flags: []store.Flag{"no atom"}},
		"a small broken source": {Content: brokenContent{good.Content}},
		"a large broken source": {Content: brokenContent{large}},
	} {
		for _, msgs := range [][]store.NewMessage{{bad}, {good, bad}, {good, good, bad, good}} {
			if placed, err := m.Append(k.ctx, msgs); err == nil {
				k.broken("%s: appended at %v", doing, placed)
			}
			k.unchanged(a, before, doing)
		}
	}
	_, err := m.Append(k.ctx, []store.NewMessage{{Content: brokenContent{large}}})
	k.want(err, errBroken, "the cause of the failure")
	_, err = k.s.Deliver(k.ctx, brokenContent{large}, []store.Target{{Account: "ann"}})
	k.want(err, errBroken, "the cause of the failure")
	k.unchanged(a, before, "a broken delivery")
	k.add(m, 1)
	k.wantUIDs(m, "1:3")
}

func checkNewFlags(k *kit) {
	_, m := k.inbox()
	put := func(want string, flags ...store.Flag) {
		k.Helper()
		placed, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(1)), Flags: flags}})
		k.must(err)
		got := slices.Clone(k.one(m, placed[0].UID).Flags)
		slices.Sort(got)
		var b []byte
		for _, f := range got {
			b = append(b, " "+f...)
		}
		if string(bytes.TrimSpace(b)) != want {
			k.broken("appended with %q, kept %q", flags, got)
		}
	}
	put("")
	put(`\Answered \Deleted \Draft \Flagged \Seen`, `\seen`, `\FLAGGED`, `\Draft`, `\answered`, `\Deleted`)
	put(`$Forwarded`, `$Forwarded`, `\Recent`, `$FORWARDED`)
	put(`$Forwarded \Seen`, `$forwarded`, `\Seen`, `\recent`, `\SEEN`)
	if got := k.status(m).Keywords; !store.FlagsEqual(got, []store.Flag{"$Forwarded"}) || got[0] != "$Forwarded" {
		k.broken("Keywords are %q", got)
	}
	for _, bad := range []store.Flag{"", "a b", "a(b", `\Unknown`, `\*`, "ü", "a\x00", `a\b`, store.Flag(bytes.Repeat([]byte("x"), store.MaxFlagLen+1))} {
		_, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(1)), Flags: []store.Flag{bad}}})
		k.want(err, store.ErrFlag, "append with the flag %.20q", bad)
		_, err = k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", Flags: []store.Flag{bad}}})
		k.want(err, store.ErrFlag, "deliver with the flag %.20q", bad)
		_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: store.FlagsAdd, Flags: []store.Flag{bad}})
		k.want(err, store.ErrFlag, "set the flag %.20q", bad)
	}
	k.wantUIDs(m, "1:4")
}

func checkInternalDate(k *kit) {
	_, m := k.inbox()
	for _, date := range []time.Time{
		time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC),
		time.Date(1996, 7, 17, 2, 44, 25, 0, time.FixedZone("", -7*3600)),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 5*3600+45*60)),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1950, 6, 1, 12, 0, 0, 0, time.FixedZone("", 3600)),
		time.Date(2110, 6, 1, 12, 0, 0, 0, time.FixedZone("", -30*60)),
	} {
		placed, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(1)), InternalDate: date}})
		k.must(err)
		delivered, err := k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", InternalDate: date}})
		k.must(err)
		for _, uid := range []store.UID{placed[0].UID, delivered[0].UID} {
			if got, want := k.one(m, uid).InternalDate.Format(time.RFC3339), date.Format(time.RFC3339); got != want {
				k.broken("put in at %s, came out at %s", want, got)
			}
		}
	}
	start := time.Now().Add(-2 * time.Second)
	k.add(m, 1)
	_, err := k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann"}})
	k.must(err)
	list := k.scan(m, store.ScanQuery{})
	for _, msg := range list[len(list)-2:] {
		if d := msg.InternalDate; d.Before(start) || d.After(time.Now().Add(2*time.Second)) {
			k.broken("a message without a date got %s", d)
		}
	}
}

// multipart has some structure.
const multipart = "From: =?utf-8?q?Ann?= <ann@example.org>\r\nTo: bob@example.org, Carl <carl@example.org>\r\n" +
	"Subject: two parts\r\nDate: Fri, 27 Feb 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello, B\xc3\xb6b.\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n--b--\r\n"

func checkSummary(k *kit) {
	_, m := k.inbox()
	for i, s := range []string{multipart, "", "\r\n", "no header at all", "Subject: only\r\n"} {
		c := postrider.String(s)
		want, err := message.Summarize(c, c.Size())
		k.must(err)
		_, err = m.Append(k.ctx, []store.NewMessage{{Content: c}})
		k.must(err)
		uid := k.uids(m).Nth(i)
		if got := k.one(m, uid); !reflect.DeepEqual(got.Summary, want) || got.Size != c.Size() {
			k.broken("the summary of %q is %+v, want %+v", s, got.Summary, want)
		}
	}
	if msg := k.scan(m, store.ScanQuery{})[0]; msg.Size != int64(len(multipart)) {
		k.broken("without fields asked for, the size is %d", msg.Size)
	}
}

func checkStatus(k *kit) {
	_, m := k.inbox("other")
	other := k.open(k.reaccount("ann"), "other")
	k.recount(m)
	k.add(m, 3)
	k.add(m, 2, store.FlagSeen, "$A")
	k.add(m, 1, store.FlagDeleted)
	if st := k.status(m); st.Messages != 6 || st.Unseen != 4 || st.Deleted != 1 {
		k.broken("Status is %+v", st)
	}
	k.recount(m)
	k.setFlags(m, store.FlagsAdd, store.RangeOfUIDs(2, 5), store.FlagDeleted, store.FlagSeen, "$B")
	k.recount(m)
	k.setFlags(m, store.FlagsRemove, store.RangeOfUIDs(3, 4), store.FlagSeen)
	k.recount(m)
	k.setFlags(m, store.FlagsReplace, store.RangeOfUIDs(1, 2), store.FlagAnswered)
	k.recount(m)
	for _, err := range []error{
		second(m.Copy(k.ctx, store.RangeOfUIDs(2, 4), "other")), second(m.Move(k.ctx, store.UIDs(5), "other")),
		second(m.Expunge(k.ctx, store.AllUIDs(), store.FlagDeleted)),
	} {
		k.must(err)
		k.recount(m)
		k.recount(other)
	}
	keywords := []store.Flag{"$A", "$B"}
	if got := k.status(other).Keywords; !store.FlagsEqual(got, keywords) {
		k.broken("the keywords of copies are %q", got)
	}
	k.must(second(m.Expunge(k.ctx, store.AllUIDs())))
	k.recount(m)
	if got := k.status(m).Keywords; !store.FlagsEqual(got, keywords) {
		k.broken("Keywords are those that messages have or once had, but are %q", got)
	}
}

// recount compares the counters of Status, and of the list, with the messages.
func (k *kit) recount(m store.Mailbox) {
	k.Helper()
	st := k.status(m)
	got := [...]int{st.Messages, st.Unseen, st.Deleted, int(st.Size)}
	var want [4]int
	var highest store.ModSeq
	for _, msg := range k.scan(m, store.ScanQuery{}) {
		want[0]++
		if !store.HasFlag(msg.Flags, store.FlagSeen) {
			want[1]++
		}
		if store.HasFlag(msg.Flags, store.FlagDeleted) {
			want[2]++
		}
		want[3] += int(msg.Size)
		highest = max(highest, msg.ModSeq)
		if msg.UID >= st.UIDNext {
			k.broken("UID %d, UIDNext %d", msg.UID, st.UIDNext)
		}
	}
	if got != want {
		k.broken("messages, unseen, deleted, size are %v, but Status says %v", want, got)
	}
	if st.HighestModSeq < highest {
		k.broken("HighestModSeq is %d, a message has %d", st.HighestModSeq, highest)
	}
}

func checkScan(k *kit) {
	_, m := k.inbox()
	k.add(m, 10)
	k.must(second(m.Expunge(k.ctx, store.UIDs(4, 5, 10))))
	res := k.setFlags(m, store.FlagsAdd, store.UIDs(2, 7, 8), store.FlagSeen)
	is := func(q store.ScanQuery, want string) {
		k.Helper()
		var got store.UIDSet
		for _, msg := range k.scan(m, q) {
			if msg.UID <= got.Max() {
				k.broken("UID %d came after %d", msg.UID, got.Max())
			}
			got.Add(msg.UID)
		}
		if got.String() != want {
			k.broken("scanned %+v: got %s, want %s", q, got, want)
		}
	}
	is(store.ScanQuery{}, "1:3,6:9")
	is(store.ScanQuery{UIDs: store.UIDSet{}}, "")
	is(store.ScanQuery{UIDs: store.AllUIDs()}, "1:3,6:9")
	is(store.ScanQuery{UIDs: store.UIDs(3, 4, 5, 8, 99)}, "3,8")
	is(store.ScanQuery{UIDs: store.RangeOfUIDs(100, 4294967295)}, "")
	is(store.ScanQuery{ChangedSince: res.ModSeq - 1}, "2,7:8")
	is(store.ScanQuery{ChangedSince: res.ModSeq - 1, UIDs: store.RangeOfUIDs(7, 9)}, "7:8")
	is(store.ScanQuery{ChangedSince: res.ModSeq}, "")
	is(store.ScanQuery{ChangedSince: 1 << 62}, "")
}

func checkScanMeanwhile(k *kit) {
	_, m := k.inbox("other")
	const n = 300
	var msgs []store.NewMessage
	for i := range n {
		msgs = append(msgs, store.NewMessage{Content: postrider.String(text(i))})
	}
	k.must(second(m.Append(k.ctx, msgs)))
	seen := map[store.UID]int{}
	for msg, err := range m.Scan(k.ctx, store.ScanQuery{Fields: store.FieldSummary}) {
		k.must(err)
		seen[msg.UID]++
		if msg.UID%50 == 0 && msg.UID <= n { // change what is behind and what is ahead
			k.setFlags(m, store.FlagsAdd, store.AllUIDs(), store.Flag("$At"+string(rune('a'+msg.UID/50))))
			k.must(second(m.Expunge(k.ctx, store.UIDs(msg.UID-1, msg.UID, msg.UID+10))))
			k.must(second(m.Move(k.ctx, store.UIDs(msg.UID-2), "INBOX")))
			k.must(second(m.Copy(k.ctx, store.UIDs(msg.UID-3), "other")))
			k.must(second(m.Append(k.ctx, msgs[:1])))
			if got := k.content(m, msg.UID+1); got != text(int(msg.UID)) && msg.UID < n {
				k.broken("UID %d is %q", msg.UID+1, got)
			}
		}
		if msg.UID >= n-1 {
			break
		}
	}
	for u := store.UID(1); u < n-1; u++ {
		came := u%50 == 10 && u > 50 // expunged ahead of the scan
		if seen[u] > 1 || seen[u] == 0 && !came {
			k.broken("UID %d was yielded %d times", u, seen[u])
		}
	}
}

func checkRecent(k *kit) {
	a, m := k.inbox()
	take := func(m store.Mailbox, want string) {
		k.Helper()
		got, err := m.TakeRecent(k.ctx)
		k.must(err)
		// Those of messages that are gone may be told or not.
		if got := got.Intersect(k.uids(m)).String(); got != want {
			k.broken("recent are %q, want %q", got, want)
		}
		if n := k.status(m).Recent; n != 0 {
			k.broken("%d messages are recent after TakeRecent", n)
		}
	}
	recent := func(want int) {
		k.Helper()
		if got := k.status(m).Recent; got != want {
			k.broken("%d messages are recent, want %d", got, want)
		}
	}
	take(m, "")
	k.add(m, 3)
	recent(3)
	other := k.open(a, "INBOX")
	take(other, "1:3")
	take(m, "")
	k.add(m, 2)
	recent(2)
	k.must(second(m.Expunge(k.ctx, store.UIDs(2, 4))))
	recent(1)
	k.setFlags(m, store.FlagsAdd, store.AllUIDs(), store.FlagSeen)
	recent(1)
	take(m, "5")
	k.must(second(m.Copy(k.ctx, store.UIDs(1, 3), "INBOX")))
	recent(2)
	take(m, "6:7")
}
