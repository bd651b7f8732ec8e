package account_test

import (
	"context"
	"errors"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/account/accounttest"
)

func TestMemoryKeepsThePromises(t *testing.T) {
	accounttest.Run(t, func(t *testing.T, entries ...account.Entry) account.Directory {
		m := &account.Memory{Passwords: &account.Hasher{Memory: 4096, Time: 1}}
		for _, e := range entries {
			if err := m.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		return m
	})
}

// A Directory of functions keeps the promises of the functions; Memory's here.
func TestFuncsKeepThePromises(t *testing.T) {
	accounttest.Run(t, func(t *testing.T, entries ...account.Entry) account.Directory {
		m := &account.Memory{Passwords: &account.Hasher{Memory: 4096, Time: 1}}
		for _, e := range entries {
			if err := m.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		return account.Funcs{ResolveFunc: m.Resolve, VerifyFunc: m.Verify}
	})
}

func TestFuncsWithoutFunctionsKnowNobody(t *testing.T) {
	var d account.Funcs
	if _, err := d.Resolve(t.Context(), postrider.Address{Local: "ann", Domain: "example.org"}); err != account.ErrNotExist {
		t.Errorf("Resolve = %v", err)
	}
	if _, err := d.Verify(t.Context(), "ann", "secret"); err != account.ErrCredentials {
		t.Errorf("Verify = %v", err)
	}
}

// senders is a Directory that lets ann use one address more.
type senders struct{ account.Funcs }

func (senders) MaySend(ctx context.Context, name string, addr postrider.Address) error {
	if name == "ann" && addr.Local == "board" {
		return nil
	}
	return account.ErrNotExist
}

func TestMaySend(t *testing.T) {
	addr := func(local string) postrider.Address { return postrider.Address{Local: local, Domain: "example.org"} }
	down := errors.New("database is down")
	own := account.Funcs{ResolveFunc: func(ctx context.Context, a postrider.Address) (string, error) {
		switch a.Local {
		case "ann":
			return "ann", nil
		case "bob":
			return "bob", nil
		case "down":
			return "", down
		}
		return "", account.ErrNotExist
	}}
	for _, tt := range []struct {
		d     account.Directory
		local string
		want  error
	}{
		{own, "ann", nil},
		{own, "bob", account.ErrNotExist},
		{own, "nobody", account.ErrNotExist},
		{own, "down", down},
		{senders{own}, "board", nil},
		{senders{own}, "ann", account.ErrNotExist},
	} {
		if err := account.MaySend(t.Context(), tt.d, "ann", addr(tt.local)); err != tt.want {
			t.Errorf("MaySend(%T, ann, %s) = %v, want %v", tt.d, tt.local, err, tt.want)
		}
	}
}
