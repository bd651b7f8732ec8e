package storetest

import (
	"regexp"
	"slices"

	"github.com/postrider/postrider/store"
)

var mailboxPromises = []promise{
	{
		name:  "a new mailbox is empty and has an ID",
		text:  "Create makes an empty mailbox. ID is 1 to 255 characters out of A-Z a-z 0-9 _ -, and used for no other mailbox. UIDValidity is at least 1, HighestModSeq too.",
		check: checkCreate,
	}, {
		name:  "a mailbox made again has a larger UIDValidity",
		text:  "Create makes a mailbox with a UIDValidity greater than every one that the account has or had (RFC 9051 §6.3.4).",
		check: checkUIDValidity,
	}, {
		name:  "Delete removes a mailbox and not what is below it",
		text:  "Delete removes a mailbox and its messages, not what is below it. ErrNotExist; ErrName for INBOX. Once a mailbox is deleted, every method answers ErrNotExist.",
		check: checkDelete,
	}, {
		name:  "Rename takes along what is below",
		text:  "Rename gives a mailbox and all below it another name; each keeps its ID, its messages, their UIDs, and open handles. There need not be a mailbox from, if only there is one below it.",
		check: checkRename,
	}, {
		name:  "Rename is refused whole",
		text:  "ErrNotExist, ErrExist if to or a name that would arise is taken, ErrName also if to is below from or a name that would arise is impossible.",
		check: checkRenameErrors,
	}, {
		name:  "Rename of INBOX moves its messages only",
		text:  "Renaming INBOX moves its messages to a new mailbox of the name to; INBOX stays, empty, and so does all below it (RFC 9051 §6.3.6).",
		check: checkRenameInbox,
	}, {
		name:  "subscriptions are names",
		text:  "Subscribe adds a name to the subscriptions, whether or not a mailbox of that name is there. Both are content if nothing is to do. Renaming leaves subscriptions as they are.",
		check: checkSubscriptions,
	},
}

var objectID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

func checkCreate(k *kit) {
	a := k.account("ann")
	ids := map[string]bool{k.mailboxes(a)[0].ID: true}
	for _, name := range []string{"a", "b", "a/b/c"} {
		info, err := a.Create(k.ctx, store.NewMailbox{Name: name, SpecialUse: []string{store.UseTrash}, Subscribed: true})
		k.must(err)
		if !objectID.MatchString(info.ID) || ids[info.ID] {
			k.broken("the mailbox has the ID %q", info.ID)
		}
		ids[info.ID] = true
		st := info.Status
		if st.UIDValidity < 1 || st.UIDNext < 1 || st.HighestModSeq < 1 || st.Messages+st.Unseen+st.Deleted+st.Recent != 0 || st.Size != 0 {
			k.broken("a new mailbox has the status %+v", st)
		}
		if m := k.open(a, name); m.ID() != info.ID {
			k.broken("made with the ID %q, opened with %q", info.ID, m.ID())
		}
		if !slices.Equal(info.SpecialUse, []string{store.UseTrash}) || info.Name != name {
			k.broken("got %+v", info)
		}
		k.want(second(a.Create(k.ctx, store.NewMailbox{Name: name})), store.ErrExist, "create %s again", name)
	}
	subscriptions, err := a.Subscriptions(k.ctx)
	k.must(err)
	if !slices.Equal(subscriptions, []string{"a", "a/b/c", "b"}) {
		k.broken("subscriptions are %q", subscriptions)
	}
	k.want(second(a.Open(k.ctx, "a/b")), store.ErrNotExist, "a level without a mailbox")
}

func second[T any](_ T, err error) error { return err }

func checkUIDValidity(k *kit) {
	a := k.account("ann", "other")
	last := k.status(k.open(a, "other")).UIDValidity
	ids := map[string]bool{}
	for range 3 {
		info, err := a.Create(k.ctx, store.NewMailbox{Name: "x"})
		k.must(err)
		if info.Status.UIDValidity <= last {
			k.broken("UIDValidity is %d after %d", info.Status.UIDValidity, last)
		}
		if ids[info.ID] {
			k.broken("the ID %s is used again", info.ID)
		}
		ids[info.ID], last = true, info.Status.UIDValidity
		k.add(k.open(a, "x"), 1)
		k.must(a.Delete(k.ctx, "x"))
	}
}

func checkDelete(k *kit) {
	a := k.account("ann", "a", "a/b", "a/b/c", "ab")
	m := k.open(a, "a")
	k.add(m, 1)
	k.must(a.Delete(k.ctx, "a"))
	if got, want := k.names(a), []string{"INBOX", "a/b", "a/b/c", "ab"}; !slices.Equal(got, want) {
		k.broken("mailboxes are %q, want %q", got, want)
	}
	_, err := m.Status(k.ctx)
	k.want(err, store.ErrNotExist, "Status")
	_, err = m.Append(k.ctx, nil)
	k.want(err, store.ErrNotExist, "Append")
	_, err = m.SetFlags(k.ctx, store.FlagChange{UIDs: store.AllUIDs(), Op: store.FlagsAdd, Flags: []store.Flag{store.FlagSeen}})
	k.want(err, store.ErrNotExist, "SetFlags")
	_, err = m.Copy(k.ctx, store.AllUIDs(), "INBOX")
	k.want(err, store.ErrNotExist, "Copy")
	_, err = m.Move(k.ctx, store.AllUIDs(), "INBOX")
	k.want(err, store.ErrNotExist, "Move")
	_, err = m.Expunge(k.ctx, store.AllUIDs())
	k.want(err, store.ErrNotExist, "Expunge")
	_, err = m.TakeRecent(k.ctx)
	k.want(err, store.ErrNotExist, "TakeRecent")
	_, err = m.Content(k.ctx, 1)
	k.want(err, store.ErrNotExist, "Content")
	yielded := 0
	for _, err := range m.Scan(k.ctx, store.ScanQuery{}) {
		yielded++
		k.want(err, store.ErrNotExist, "Scan")
	}
	if yielded != 1 {
		k.broken("Scan yielded %d times, want one error", yielded)
	}

	before := k.snapshot(a)
	k.want(a.Delete(k.ctx, "a"), store.ErrNotExist, "delete it again")
	for _, name := range []string{"INBOX", "inBox"} {
		k.want(a.Delete(k.ctx, name), store.ErrName, "delete %s", name)
	}
	k.unchanged(a, before, "what was refused")
}

func checkRename(k *kit) {
	a := k.account("ann", "a", "a/b", "a/b/c", "ab", "z")
	m := k.open(a, "a/b")
	uids := k.add(m, 3)
	before := k.mailboxes(a)
	k.must(a.Rename(k.ctx, "a", "new/place"))
	if got, want := k.names(a), []string{"INBOX", "ab", "new/place", "new/place/b", "new/place/b/c", "z"}; !slices.Equal(got, want) {
		k.broken("mailboxes are %q, want %q", got, want)
	}
	for _, old := range before {
		i := slices.IndexFunc(k.mailboxes(a), func(info store.MailboxInfo) bool { return info.ID == old.ID })
		if i < 0 {
			k.broken("%s has another ID now", old.Name)
		}
		now := k.mailboxes(a)[i].Status
		if now.UIDValidity != old.Status.UIDValidity || now.UIDNext != old.Status.UIDNext || now.Messages != old.Status.Messages {
			k.broken("%s was %+v and is %+v", old.Name, old.Status, now)
		}
	}
	uids.AddSet(k.add(m, 1))
	if got := k.uids(k.open(a, "new/place/b")); got.String() != uids.String() {
		k.broken("the open handle put its message elsewhere: %s, want %s", got, uids)
	}
	k.must(a.Rename(k.ctx, "new", "n")) // there is no mailbox "new"
	if got, want := k.names(a), []string{"INBOX", "ab", "n/place", "n/place/b", "n/place/b/c", "z"}; !slices.Equal(got, want) {
		k.broken("mailboxes are %q, want %q", got, want)
	}
}

func checkRenameErrors(k *kit) {
	long := strings255()
	a := k.account("ann", "a", "a/b", "a/"+long, "c/b", "d", "e/"+long+"/"+long+"/"+long)
	before := k.snapshot(a)
	for _, r := range []struct {
		from, to string
		want     error
	}{
		{"missing", "x", store.ErrNotExist},
		{"missing", "d", store.ErrNotExist},
		{"a", "d", store.ErrExist},
		{"a", "c", store.ErrExist}, // a/b would be c/b
		{"a", "a", store.ErrExist},
		{"d", "inbox", store.ErrExist},
		{"INBOX", "d", store.ErrExist},
		{"INBOX", "inbox", store.ErrExist},
		{"a", "a/x", store.ErrName},
		{"a", "x//y", store.ErrName},
		{"a//b", "x", store.ErrName},
		{"e", long, store.ErrName}, // would be longer than MaxNameLen
	} {
		k.want(a.Rename(k.ctx, r.from, r.to), r.want, "rename %.20q to %.20q", r.from, r.to)
		k.unchanged(a, before, "a refused Rename")
	}
}

func checkRenameInbox(k *kit) {
	a := k.account("ann", "INBOX/child")
	m := k.open(a, "INBOX")
	k.add(k.open(a, "INBOX/child"), 1)
	k.add(m, 3, store.FlagSeen, "$Work")
	_, err := m.Expunge(k.ctx, store.UIDs(2))
	k.must(err)
	before := k.status(m)
	first := k.one(m, 1)
	k.must(a.Rename(k.ctx, "inbox", "old/mail"))

	if got, want := k.names(a), []string{"INBOX", "INBOX/child", "old/mail"}; !slices.Equal(got, want) {
		k.broken("mailboxes are %q, want %q", got, want)
	}
	old, after := k.open(a, "old/mail"), k.status(m)
	if old.ID() == m.ID() {
		k.broken("the ID went along: it is INBOX's")
	}
	if k.status(old).Messages != 2 || after.Messages != 0 || k.status(k.open(a, "INBOX/child")).Messages != 1 {
		k.broken("messages are not where they should be")
	}
	if after.UIDValidity == before.UIDValidity && after.UIDNext < before.UIDNext {
		k.broken("INBOX would give out UIDs again: next was %d, is %d", before.UIDNext, after.UIDNext)
	}
	moved := k.scan(old, store.ScanQuery{Fields: store.FieldIDs})[0]
	if moved.ID != first.ID || !store.FlagsEqual(moved.Flags, first.Flags) || !moved.InternalDate.Equal(first.InternalDate) {
		k.broken("the message was %+v and is %+v", first, moved)
	}
	k.must(a.Rename(k.ctx, "INBOX", "INBOX/empty"))
	if got := k.status(k.open(a, "INBOX/empty")).Messages; got != 0 {
		k.broken("an empty INBOX gave %d messages", got)
	}
}

func checkSubscriptions(k *kit) {
	a := k.account("ann", "a", "a/b")
	is := func(want ...string) {
		k.Helper()
		got, err := a.Subscriptions(k.ctx)
		k.must(err)
		if !slices.Equal(got, want) {
			k.broken("subscriptions are %q, want %q", got, want)
		}
	}
	is()
	for _, name := range []string{"z", "a-b", "a", "inbox", "a/b", "not/there", "a"} {
		k.must(a.Subscribe(k.ctx, name))
	}
	is("INBOX", "a", "a/b", "a-b", "not/there", "z")
	k.must(a.Rename(k.ctx, "a", "c"))
	k.must(a.Delete(k.ctx, "c/b"))
	is("INBOX", "a", "a/b", "a-b", "not/there", "z")
	for _, name := range []string{"a-b", "INBOX", "never", "a-b"} {
		k.must(a.Unsubscribe(k.ctx, name))
	}
	is("a", "a/b", "not/there", "z")
	k.want(a.Subscribe(k.ctx, "a//b"), store.ErrName, "an impossible name")
}
