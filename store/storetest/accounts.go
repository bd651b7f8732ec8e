package storetest

import (
	"slices"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var accountPromises = []promise{
	{
		name:  "an account has an INBOX and what was asked for",
		text:  "CreateAccount makes an account with an INBOX and the given mailboxes; INBOX may be one of them.",
		check: checkNewAccount,
	}, {
		name:  "an account is made whole or not at all",
		text:  "A method that changes something does all of it or nothing. ErrExist if it is there already or a mailbox is given twice, ErrName.",
		check: checkAccountOnce,
	}, {
		name:  "account names are compared octet for octet",
		text:  "An account's name is one that CheckAccountName accepts, compared octet for octet.",
		check: checkAccountNames,
	}, {
		name:  "a deleted account is gone for all who hold it",
		text:  "DeleteAccount removes the account and all its mail. Open Accounts and Mailboxes of it answer ErrNotExist from then on.",
		check: checkDeletedAccount,
	}, {
		name:  "an account made anew is another",
		text:  "Create makes a mailbox with a UIDValidity greater than every one that the account has or had, even if an account of that name was deleted and made anew.",
		check: checkRecreatedAccount,
	}, {
		name:  "accounts are isolated",
		text:  "An Account is the mailboxes of one owner.",
		check: checkIsolation,
	},
}

func checkNewAccount(k *kit) {
	err := k.s.CreateAccount(k.ctx, "ann",
		store.NewMailbox{Name: "Sent", SpecialUse: []string{store.UseSent}, Subscribed: true},
		store.NewMailbox{Name: "a/b"})
	k.must(err)
	a := k.reaccount("ann")
	if got, want := k.names(a), []string{"INBOX", "Sent", "a/b"}; !slices.Equal(got, want) {
		k.broken("mailboxes are %q, want %q", got, want)
	}
	if use := k.mailboxes(a)[1].SpecialUse; !slices.Equal(use, []string{store.UseSent}) {
		k.broken("Sent has the uses %q", use)
	}
	if a.Name() != "ann" {
		k.broken("the account is named %q", a.Name())
	}
	k.must(k.s.CreateAccount(k.ctx, "bob", store.NewMailbox{Name: "inbox", Subscribed: true}))
	if got := k.names(k.reaccount("bob")); !slices.Equal(got, []string{"INBOX"}) {
		k.broken("mailboxes are %q, want INBOX only", got)
	}
}

func checkAccountOnce(k *kit) {
	a := k.account("ann", "Sent")
	before := k.snapshot(a)
	k.want(k.s.CreateAccount(k.ctx, "ann"), store.ErrExist, "create ann again")
	k.unchanged(a, before, "creating it again")

	box := func(name string) store.NewMailbox { return store.NewMailbox{Name: name} }
	k.want(k.s.CreateAccount(k.ctx, "bob", box("x"), box("x")), store.ErrExist, "one mailbox twice")
	k.want(k.s.CreateAccount(k.ctx, "bob", box("x"), box("inbox"), box("INBOX")), store.ErrExist, "INBOX twice")
	k.want(k.s.CreateAccount(k.ctx, "bob", box("x"), box("a//b")), store.ErrName, "an impossible mailbox")
	_, err := k.s.Account(k.ctx, "bob")
	k.want(err, store.ErrNotExist, "the account that could not be made")
}

func checkAccountNames(k *kit) {
	names := []string{"ann", "Ann", "ann@example.org", "用户", "a b", "a/b", "'; --", strings.Repeat("x", store.MaxAccountName)}
	for _, name := range names {
		k.must(k.s.CreateAccount(k.ctx, name))
	}
	var got []string
	for name, err := range k.s.Accounts(k.ctx) {
		k.must(err)
		got = append(got, name)
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		k.broken("Accounts yields %q, want %q", got, names)
	}
	for range k.s.Accounts(k.ctx) {
		break // the consumer may stop early
	}
	for _, bad := range []string{"", "a\x00b", "a\nb", "\xff", strings.Repeat("x", store.MaxAccountName+1)} {
		k.want(k.s.CreateAccount(k.ctx, bad), store.ErrName, "an account named %q", bad)
	}
}

func checkDeletedAccount(k *kit) {
	a, m := k.inbox("Sent")
	k.add(m, 2)
	k.must(k.s.DeleteAccount(k.ctx, "ann"))
	_, err := m.Status(k.ctx)
	k.want(err, store.ErrNotExist, "Status of an open mailbox")
	_, err = m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(text(1))}})
	k.want(err, store.ErrNotExist, "Append to an open mailbox")
	for _, err := range m.Scan(k.ctx, store.ScanQuery{}) {
		k.want(err, store.ErrNotExist, "Scan of an open mailbox")
	}
	_, err = a.Mailboxes(k.ctx)
	k.want(err, store.ErrNotExist, "Mailboxes of an open account")
	_, err = a.ModSeq(k.ctx)
	k.want(err, store.ErrNotExist, "ModSeq of an open account")
	_, err = a.Create(k.ctx, store.NewMailbox{Name: "x"})
	k.want(err, store.ErrNotExist, "Create in an open account")
	_, err = k.s.Account(k.ctx, "ann")
	k.want(err, store.ErrNotExist, "the account")
	k.want(k.s.DeleteAccount(k.ctx, "ann"), store.ErrNotExist, "delete it again")
	_, err = k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann"}})
	k.want(err, store.ErrNotExist, "deliver to it")
	for name := range k.s.Accounts(k.ctx) {
		k.broken("Accounts yields %q", name)
	}
}

func checkRecreatedAccount(k *kit) {
	_, old := k.inbox()
	k.add(old, 2)
	before := k.status(old)
	k.must(k.s.DeleteAccount(k.ctx, "ann"))
	a, m := k.inbox()
	after := k.status(m)
	if after.UIDValidity <= before.UIDValidity {
		k.broken("INBOX had UIDValidity %d before, and has %d now", before.UIDValidity, after.UIDValidity)
	}
	if after.Messages != 0 {
		k.broken("the new account has %d messages", after.Messages)
	}
	_, err := old.Status(k.ctx)
	k.want(err, store.ErrNotExist, "a mailbox of the old account")
	k.add(m, 1)
	if len(k.names(a)) != 1 {
		k.broken("the new account has the mailboxes %q", k.names(a))
	}
}

func checkIsolation(k *kit) {
	ann, bob := k.account("ann", "Sent"), k.account("bob", "Sent")
	m := k.open(ann, "Sent")
	before := k.snapshot(bob)
	uids := k.add(m, 3, "$Keyword")
	k.setFlags(m, store.FlagsAdd, uids, store.FlagSeen)
	_, err := m.Move(k.ctx, store.UIDs(1), "INBOX")
	k.must(err)
	_, err = m.Expunge(k.ctx, store.UIDs(2))
	k.must(err)
	k.must(ann.Subscribe(k.ctx, "Sent"))
	k.must(ann.Rename(k.ctx, "Sent", "Old"))
	k.must(ann.Delete(k.ctx, "Old"))
	k.unchanged(bob, before, "what ann did")
}
