package accounttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// New makes a Directory that knows just the given accounts. A Directory that cannot be
// filled by a program may skip the test. Passwords are given in the clear.
type New func(t *testing.T, entries ...account.Entry) account.Directory

// Run tests the Directory that new makes. If it is an account.Manager, the promises of
// that are tested too.
func Run(t *testing.T, new New) {
	for _, p := range directoryPromises {
		t.Run(p.name, func(t *testing.T) {
			p.run(t, new(t, entries...))
		})
	}
	for _, p := range managerPromises {
		t.Run(p.name, func(t *testing.T) {
			m, ok := new(t, entries...).(account.Manager)
			if !ok {
				t.Skip("the Directory is no Manager")
			}
			p.run(t, m)
		})
	}
}

// A promise is a sentence of an interface's contract and a check that quotes it by
// an error when it is broken.
type promise[D any] struct {
	name  string
	check func(ctx context.Context, d D) error
}

func (p promise[D]) run(t *testing.T, d D) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.check(ctx, d); err != nil {
		t.Error(err)
	}
}

// The accounts of every test.
const (
	annPassword = "correct horse"
	bobPassword = "battery staple"
	zoePassword = "p\u00e4ssw\u00f6rd" // composed
)

var entries = []account.Entry{
	{Name: "ann", Password: annPassword, Addresses: []postrider.Address{
		{Local: "Ann", Domain: "example.org"}, {Local: "sales", Domain: "b\u00fccher.example"},
	}},
	{Name: "bob@example.org", Password: bobPassword},
	{Name: "zoe", Password: zoePassword, Disabled: true, Addresses: []postrider.Address{{Local: "zo\u00eb", Domain: "example.org"}}},
}

// verify checks one answer of Verify.
func verify(ctx context.Context, d account.Directory, login, password, wantAccount string, want error) error {
	got, err := d.Verify(ctx, login, password)
	if got != wantAccount || !errors.Is(err, want) || (err == nil) != (want == nil) {
		return fmt.Errorf("Verify(%q, %q) = %q, %v; want %q, %v", login, password, got, err, wantAccount, want)
	}
	return nil
}

// resolve checks one answer of Resolve.
func resolve(ctx context.Context, d account.Directory, addr, wantAccount string, want error) error {
	var a postrider.Address
	if err := a.UnmarshalText([]byte(addr)); err != nil {
		return err
	}
	got, err := d.Resolve(ctx, a)
	if got != wantAccount || !errors.Is(err, want) || (err == nil) != (want == nil) {
		return fmt.Errorf("Resolve(%s) = %q, %v; want %q, %v", addr, got, err, wantAccount, want)
	}
	return nil
}
