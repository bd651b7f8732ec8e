package accounttest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
)

// quick is a Hasher whose hashes take a few milliseconds.
func quick() *account.Hasher { return &account.Hasher{Memory: 4096, Time: 1} }

func sound(t *testing.T, entries ...account.Entry) account.Directory {
	m := &account.Memory{Passwords: quick()}
	for _, e := range entries {
		if err := m.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestMemoryKeepsThePromises(t *testing.T) { Run(t, sound) }

// A broken Manager keeps all promises but one.
type broken struct {
	*account.Memory
	verify       func(ctx context.Context, login, password string) (string, error)
	resolve      func(ctx context.Context, addr postrider.Address) (string, error)
	setPassword  func(ctx context.Context, name, password string) error
	setDisabled  func(ctx context.Context, name string, disabled bool) error
	setAddresses func(ctx context.Context, name string, addresses ...postrider.Address) error
	remove       func(ctx context.Context, name string) error
	add          func(ctx context.Context, e account.Entry) error
}

func (b *broken) Verify(ctx context.Context, login, password string) (string, error) {
	if b.verify != nil {
		return b.verify(ctx, login, password)
	}
	return b.Memory.Verify(ctx, login, password)
}

func (b *broken) Resolve(ctx context.Context, addr postrider.Address) (string, error) {
	if b.resolve != nil {
		return b.resolve(ctx, addr)
	}
	return b.Memory.Resolve(ctx, addr)
}

func (b *broken) SetPassword(ctx context.Context, name, password string) error {
	if b.setPassword != nil {
		return b.setPassword(ctx, name, password)
	}
	return b.Memory.SetPassword(ctx, name, password)
}

func (b *broken) SetDisabled(ctx context.Context, name string, disabled bool) error {
	if b.setDisabled != nil {
		return b.setDisabled(ctx, name, disabled)
	}
	return b.Memory.SetDisabled(ctx, name, disabled)
}

func (b *broken) SetAddresses(ctx context.Context, name string, addresses ...postrider.Address) error {
	if b.setAddresses != nil {
		return b.setAddresses(ctx, name, addresses...)
	}
	return b.Memory.SetAddresses(ctx, name, addresses...)
}

func (b *broken) Delete(ctx context.Context, name string) error {
	if b.remove != nil {
		return b.remove(ctx, name)
	}
	return b.Memory.Delete(ctx, name)
}

func (b *broken) Add(ctx context.Context, e account.Entry) error {
	if b.add != nil {
		return b.add(ctx, e)
	}
	return b.Memory.Add(ctx, e)
}

// The kit must find each of these faults, by the promise it breaks.
func TestTheKitFindsEachFault(t *testing.T) {
	for fault, tt := range map[string]struct {
		promise  string // a part of its name
		sabotage func(b *broken)
	}{
		"an unknown login is answered at once": {"costs what a wrong password costs", func(b *broken) {
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				if login == "nobody" {
					return "", account.ErrCredentials
				}
				return b.Memory.Verify(ctx, login, password)
			}
		}},
		"an unknown login has an error of its own": {"an unknown login is ErrCredentials", func(b *broken) {
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				if login == "nobody" {
					return "", account.ErrNotExist
				}
				return b.Memory.Verify(ctx, login, password)
			}
		}},
		"an empty password passes": {"no account has the empty password", func(b *broken) {
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				if password == "" {
					return login, nil
				}
				return b.Memory.Verify(ctx, login, password)
			}
		}},
		"once right, any password is": {"a wrong password is ErrCredentials", func(b *broken) {
			right := false
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				name, err := b.Memory.Verify(ctx, login, password)
				if err == nil || right {
					right = true
					return "ann", nil
				}
				return name, err
			}
		}},
		"a time-out is a wrong password": {"a cancelled context is its own error", func(b *broken) {
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				if ctx.Err() != nil {
					return "", account.ErrCredentials
				}
				return b.Memory.Verify(ctx, login, password)
			}
		}},
		"disabled shows before the password is right": {"ErrDisabled with the right password only", func(b *broken) {
			b.verify = func(ctx context.Context, login, password string) (string, error) {
				if login == "zoe" {
					return "", account.ErrDisabled
				}
				return b.Memory.Verify(ctx, login, password)
			}
		}},
		"domains are compared octet for octet": {"its domain in any case", func(b *broken) {
			b.resolve = func(ctx context.Context, addr postrider.Address) (string, error) {
				if strings.ToLower(addr.Domain) != addr.Domain {
					return "", account.ErrNotExist
				}
				return b.Memory.Resolve(ctx, addr)
			}
		}},
		"everything is somebody's": {"an address that nobody has", func(b *broken) {
			b.resolve = func(ctx context.Context, addr postrider.Address) (string, error) { return "ann", nil }
		}},
		"the null path is somebody's": {"the null path", func(b *broken) {
			b.resolve = func(ctx context.Context, addr postrider.Address) (string, error) {
				if addr.IsNull() {
					return "ann", nil
				}
				return b.Memory.Resolve(ctx, addr)
			}
		}},
		"a disabled account loses its mail": {"still gets its mail", func(b *broken) {
			b.resolve = func(ctx context.Context, addr postrider.Address) (string, error) {
				if strings.HasPrefix(addr.Local, "zo") {
					return "", account.ErrNotExist
				}
				return b.Memory.Resolve(ctx, addr)
			}
		}},
		"the old password stays right": {"the old one wrong", func(b *broken) {
			b.setPassword = func(ctx context.Context, name, password string) error { return nil }
		}},
		"a disabled account logs in": {"SetDisabled forbids", func(b *broken) {
			b.setDisabled = func(ctx context.Context, name string, disabled bool) error { return nil }
		}},
		"SetAddresses adds": {"SetAddresses replaces", func(b *broken) {
			b.setAddresses = func(ctx context.Context, name string, addresses ...postrider.Address) error {
				return b.Memory.SetAddresses(ctx, name, append(addresses, entries[0].Addresses...)...)
			}
		}},
		"deleting nobody succeeds": {"ErrNotExist to every change", func(b *broken) {
			b.remove = func(ctx context.Context, name string) error {
				if err := b.Memory.Delete(ctx, name); !errors.Is(err, account.ErrNotExist) {
					return err
				}
				return nil
			}
		}},
		"a second account takes an address": {"taken is refused", func(b *broken) {
			b.add = func(ctx context.Context, e account.Entry) error {
				if err := b.Memory.Add(ctx, e); !errors.Is(err, account.ErrExist) {
					return err
				}
				return nil
			}
		}},
		"any hash will do": {"found when it is added", func(b *broken) {
			b.add = func(ctx context.Context, e account.Entry) error {
				if account.CheckHash(e.Hash) != nil {
					e.Hash = ""
				}
				return b.Memory.Add(ctx, e)
			}
		}},
	} {
		t.Run(fault, func(t *testing.T) {
			b := &broken{Memory: sound(t, entries...).(*account.Memory)}
			tt.sabotage(b)
			if err := check(t, tt.promise, b); err == nil {
				t.Errorf("the kit does not notice")
			}
		})
	}
}

// check runs the promise whose name contains part.
func check(t *testing.T, part string, m account.Manager) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, p := range directoryPromises {
		if strings.Contains(p.name, part) {
			return p.check(ctx, m)
		}
	}
	for _, p := range managerPromises {
		if strings.Contains(p.name, part) {
			return p.check(ctx, m)
		}
	}
	t.Fatalf("no promise contains %q", part)
	return nil
}
