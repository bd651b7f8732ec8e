package storetest

import (
	"slices"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var namePromises = []promise{
	{
		name:  "INBOX is that name in any case",
		text:  "INBOX is that name in any case, also as the first level of others.",
		check: checkInboxCase,
	}, {
		name:  "names are UTF-8 with a slash between levels",
		text:  "Mailbox names are UTF-8 with \"/\" between levels, as CanonicalName returns them: all but INBOX are compared octet for octet. A mailbox needs no parent.",
		check: checkOddNames,
	}, {
		name:  "impossible names are refused",
		text:  "Methods canonicalise the names they are given and answer ErrName for an impossible one.",
		check: checkImpossibleNames,
	},
}

func strings255() string { return strings.Repeat("x", store.MaxLevelLen) }

func checkInboxCase(k *kit) {
	a, m := k.inbox()
	for _, name := range []string{"inbox", "Inbox", "iNbOx"} {
		if got := k.open(a, name); got.ID() != m.ID() {
			k.broken("%s is another mailbox than INBOX", name)
		}
		_, err := a.Create(k.ctx, store.NewMailbox{Name: name})
		k.want(err, store.ErrExist, "create %s", name)
		_, err = k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", Mailbox: name, Create: true}})
		k.must(err)
	}
	k.wantUIDs(m, "1:3")
	_, err := a.Create(k.ctx, store.NewMailbox{Name: "inbox/child"})
	k.must(err)
	if got := k.names(a); !slices.Equal(got, []string{"INBOX", "INBOX/child"}) {
		k.broken("mailboxes are %q", got)
	}
	if _, err := m.Copy(k.ctx, store.UIDs(1), "Inbox/child"); err != nil {
		k.broken("copy to Inbox/child: %v", err)
	}
	_, err = a.Create(k.ctx, store.NewMailbox{Name: "x/inbox"})
	k.must(err)
	k.want(second(a.Open(k.ctx, "x/INBOX")), store.ErrNotExist, "INBOX is special on the first level only: x/INBOX")
}

func checkOddNames(k *kit) {
	long := strings255()
	names := []string{
		"a", "A", "a/b", "a-b", "Entwürfe/Größe", "送信済み", "\U0001F4EC", "two words", " leading", "50%", "*", "_", "a_b", "axb", "&-", "&AOk-",
		`back\slash`, `"quoted"`, "'; DROP TABLE", "..", ".", "#news", "~", "a.b", "deep/er/than/others/1/2/3/4/5",
		long, long + "/" + long + "/" + long, strings.Repeat("l/", store.MaxNameLevels-1) + "l",
	}
	a := k.account("ann", names...)
	want := append([]string{"INBOX"}, names...)
	slices.SortFunc(want, store.CompareNames)
	if got := k.names(a); !slices.Equal(got, want) {
		k.broken("mailboxes are\n%q, want\n%q", got, want)
	}
	for i, name := range names {
		k.add(k.open(a, name), i%2+1)
	}
	for i, name := range names {
		if got := k.status(k.open(a, name)).Messages; got != i%2+1 {
			k.broken("%q has %d messages, want %d", name, got, i%2+1)
		}
	}
	// Net-Unicode: the decomposed form is the same name (RFC 9051 §5.1).
	if got, want := k.open(a, "Entwu\u0308rfe/Gro\u0308ße").ID(), k.open(a, "Entwürfe/Größe").ID(); got != want {
		k.broken("the decomposed form of a name is another mailbox")
	}
	// No wildcards: of "_", "%" and "*" each means itself only.
	k.must(a.Rename(k.ctx, "_", "renamed"))
	k.must(a.Delete(k.ctx, "*"))
	if got := k.names(a); len(got) != len(names) || !slices.Contains(got, "a") || !slices.Contains(got, "50%") {
		k.broken("rename of _ and deletion of * left %q", got)
	}
}

func checkImpossibleNames(k *kit) {
	a, m := k.inbox()
	k.add(m, 1)
	before := k.snapshot(a)
	for _, bad := range []string{
		"", "/", "/a", "a/", "a//b", "a\x00", "a\rb", "a\x7f", "\u0085", "\u2028", "\xff", "a\xc3",
		strings255() + "x", strings.Repeat(strings255()+"/", 4), strings.Repeat("l/", store.MaxNameLevels) + "l",
	} {
		_, err := a.Create(k.ctx, store.NewMailbox{Name: bad})
		k.want(err, store.ErrName, "Create %.40q", bad)
		_, err = a.Open(k.ctx, bad)
		k.want(err, store.ErrName, "Open %.40q", bad)
		k.want(a.Delete(k.ctx, bad), store.ErrName, "Delete %.40q", bad)
		k.want(a.Rename(k.ctx, bad, "x"), store.ErrName, "Rename %.40q", bad)
		k.want(a.Rename(k.ctx, "INBOX", bad), store.ErrName, "Rename to %.40q", bad)
		k.want(a.Subscribe(k.ctx, bad), store.ErrName, "Subscribe %.40q", bad)
		k.want(a.Unsubscribe(k.ctx, bad), store.ErrName, "Unsubscribe %.40q", bad)
		_, err = m.Copy(k.ctx, store.UIDs(1), bad)
		k.want(err, store.ErrName, "Copy to %.40q", bad)
		if bad != "" { // a Target without a mailbox is INBOX
			_, err = k.s.Deliver(k.ctx, postrider.String(text(1)), []store.Target{{Account: "ann", Mailbox: bad, Create: true}})
			k.want(err, store.ErrName, "Deliver to %.40q", bad)
		}
	}
	k.unchanged(a, before, "what was refused")
}
