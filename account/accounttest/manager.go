package accounttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

var managerPromises = []promise[account.Manager]{
	{"an address is also a login, in any case", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			verify(ctx, m, "ann@example.org", annPassword, "ann", nil),
			verify(ctx, m, "ANN@Example.Org", annPassword, "ann", nil),
			verify(ctx, m, "Sales@B\u00fccher.example", annPassword, "ann", nil),
			verify(ctx, m, "ANN", annPassword, "ann", nil),
		)
	}},
	{"the local part of a local account matches in any case", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			resolve(ctx, m, "ANN@example.org", "ann", nil),
			resolve(ctx, m, "ZO\u00cb@example.org", "zoe", nil),
		)
	}},
	{"a password matches however its characters are composed", func(ctx context.Context, m account.Manager) error {
		if err := m.SetDisabled(ctx, "zoe", false); err != nil {
			return err
		}
		return verify(ctx, m, "zoe", "pa\u0308sswo\u0308rd", "zoe", nil)
	}},
	{"a new password is right at once and the old one wrong", func(ctx context.Context, m account.Manager) error {
		const renewed = "tr0ub4dor"
		return errors.Join(
			verify(ctx, m, "ann", annPassword, "ann", nil), // may be remembered
			m.SetPassword(ctx, "ann", renewed),
			verify(ctx, m, "ann", annPassword, "", account.ErrCredentials),
			verify(ctx, m, "ann", renewed, "ann", nil),
			verify(ctx, m, "bob@example.org", bobPassword, "bob@example.org", nil),
		)
	}},
	{"an empty new password means that nobody can log in", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			m.SetPassword(ctx, "ann", ""),
			verify(ctx, m, "ann", "", "", account.ErrCredentials),
			verify(ctx, m, "ann", annPassword, "", account.ErrCredentials),
			resolve(ctx, m, "ann@example.org", "ann", nil),
		)
	}},
	{"SetDisabled forbids and permits to log in at once", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			verify(ctx, m, "ann", annPassword, "ann", nil), // may be remembered
			m.SetDisabled(ctx, "ann", true),
			verify(ctx, m, "ann", annPassword, "", account.ErrDisabled),
			m.SetDisabled(ctx, "ann", false),
			verify(ctx, m, "ann", annPassword, "ann", nil),
		)
	}},
	{"SetAddresses replaces the addresses", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			m.SetAddresses(ctx, "ann", postrider.Address{Local: "anna", Domain: "example.org"}),
			resolve(ctx, m, "anna@example.org", "ann", nil),
			resolve(ctx, m, "ann@example.org", "", account.ErrNotExist),
			verify(ctx, m, "ann@example.org", annPassword, "", account.ErrCredentials),
			verify(ctx, m, "ann", annPassword, "ann", nil),
		)
	}},
	{"a deleted account is gone and its names are free", func(ctx context.Context, m account.Manager) error {
		return errors.Join(
			m.Delete(ctx, "ann"),
			resolve(ctx, m, "ann@example.org", "", account.ErrNotExist),
			verify(ctx, m, "ann", annPassword, "", account.ErrCredentials),
			m.Add(ctx, account.Entry{Name: "Ann", Password: bobPassword, Addresses: entries[0].Addresses}),
			verify(ctx, m, "ann", bobPassword, "Ann", nil),
		)
	}},
	{"a name or address that is taken is refused, and nothing changes", takenIsRefused},
	{"what is wrong with an entry is found when it is added", func(ctx context.Context, m account.Manager) error {
		for _, e := range []account.Entry{
			{Name: ""},
			{Name: "eve", Password: "bell\a"},
			{Name: "eve", Hash: "secret"},
			{Name: "eve", Addresses: []postrider.Address{{Local: "eve"}}},
			{Name: "eve", Addresses: []postrider.Address{{}}},
			{Name: "e\x00ve", Password: annPassword},
		} {
			if err := m.Add(ctx, e); err == nil {
				return fmt.Errorf("Add(%+v) = nil", e)
			}
		}
		return nil
	}},
	{"an account that is not there is ErrNotExist to every change", func(ctx context.Context, m account.Manager) error {
		for what, err := range map[string]error{
			"SetPassword":  m.SetPassword(ctx, "eve", "x"),
			"SetAddresses": m.SetAddresses(ctx, "eve"),
			"SetDisabled":  m.SetDisabled(ctx, "eve", true),
			"Delete":       m.Delete(ctx, "eve"),
			"by a login":   m.Delete(ctx, "bob"),
		} {
			if !errors.Is(err, account.ErrNotExist) {
				return fmt.Errorf("%s of no account: %v, want ErrNotExist", what, err)
			}
		}
		return nil
	}},
	{"a hash from elsewhere is kept and compared", func(ctx context.Context, m account.Manager) error {
		// From the test vectors of the reference implementation of Argon2.
		const hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
		return errors.Join(
			m.Add(ctx, account.Entry{Name: "eve", Hash: hash}),
			verify(ctx, m, "eve", "password", "eve", nil),
			verify(ctx, m, "eve", "passwort", "", account.ErrCredentials),
			list(ctx, m, "eve", account.Entry{Name: "eve", Hash: hash}),
		)
	}},
	{"List returns every account by name, with hashes and without passwords", func(ctx context.Context, m account.Manager) error {
		var names []string
		for e, err := range m.List(ctx) {
			if err != nil {
				return err
			}
			if e.Password != "" || account.CheckHash(e.Hash) != nil {
				return fmt.Errorf("List shows the password %q and the hash %q", e.Password, e.Hash)
			}
			names = append(names, e.Name)
		}
		if diff := cmp.Diff([]string{"ann", "bob@example.org", "zoe"}, names); diff != "" {
			return errors.New(diff)
		}
		bob := entries[1]
		bob.Addresses = []postrider.Address{{Local: "bob", Domain: "example.org"}}
		return errors.Join(list(ctx, m, "ann", entries[0]), list(ctx, m, bob.Name, bob), list(ctx, m, "zoe", entries[2]))
	}},
	{"changes may come from many at once", changesAtOnce},
}

func takenIsRefused(ctx context.Context, m account.Manager) error {
	addr := func(s string) []postrider.Address {
		a, err := postrider.ParseAddress(s)
		if err != nil {
			panic(err)
		}
		return []postrider.Address{a}
	}
	for what, err := range map[string]error{
		"a name that is taken":              m.Add(ctx, account.Entry{Name: "ann", Password: "x"}),
		"a name that differs in case":       m.Add(ctx, account.Entry{Name: "ANN", Password: "x"}),
		"a name that is an address":         m.Add(ctx, account.Entry{Name: "ann@example.org", Password: "x"}),
		"an address that is taken":          m.Add(ctx, account.Entry{Name: "eve", Addresses: addr("aNN@example.org")}),
		"an address that is a name":         m.Add(ctx, account.Entry{Name: "eve", Addresses: addr("bob@example.org")}),
		"SetAddresses to one that is taken": m.SetAddresses(ctx, "zoe", addr("sales@xn--bcher-kva.example")...),
	} {
		if !errors.Is(err, account.ErrExist) {
			return fmt.Errorf("%s: %v, want ErrExist", what, err)
		}
	}
	return errors.Join(
		verify(ctx, m, "eve", "x", "", account.ErrCredentials),
		resolve(ctx, m, "ann@example.org", "ann", nil),
		resolve(ctx, m, "zo\u00eb@example.org", "zoe", nil),
		verify(ctx, m, "ann", annPassword, "ann", nil),
	)
}

// list checks the entry that List returns of one account, its hash if want has one.
func list(ctx context.Context, m account.Manager, name string, want account.Entry) error {
	for e, err := range m.List(ctx) {
		if err != nil {
			return err
		}
		if e.Name != name {
			continue
		}
		if want.Hash == "" {
			e.Hash = ""
		}
		want.Password = ""
		if diff := cmp.Diff(want, e); diff != "" {
			return fmt.Errorf("List (-want +got):\n%s", diff)
		}
		return nil
	}
	return fmt.Errorf("List does not have %s", name)
}

func changesAtOnce(ctx context.Context, m account.Manager) error {
	const n = 8
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("user", i)
			addr := postrider.Address{Local: name, Domain: "example.org"}
			errs[i] = errors.Join(
				m.Add(ctx, account.Entry{Name: name, Addresses: []postrider.Address{addr}}),
				m.SetDisabled(ctx, name, true),
				resolve(ctx, m, addr.String(), name, nil),
				resolve(ctx, m, "ann@example.org", "ann", nil),
			)
			for _, err := range m.List(ctx) {
				errs[i] = errors.Join(errs[i], err)
			}
			errs[i] = errors.Join(errs[i], m.Delete(ctx, name))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
