package account

import (
	"context"
	"iter"
	"slices"

	"github.com/postrider/postrider"
)

// An Entry is what a [Manager] keeps of one account.
type Entry struct {
	// Name is the name of the account, such as "ann" or "ann@example.org". It is
	// also a login. It never changes: stored mail is filed under it.
	Name string
	// Password is the password for Add, which hashes it. It is empty in what List
	// returns.
	Password string
	// Hash is a PHC string in place of Password, for an account that comes from
	// elsewhere: see [Hasher]. Without either, nobody can log in.
	Hash string
	// Addresses are the addresses whose mail belongs to the account. Each is also a
	// login. If none is given and Name is an address, that one is kept.
	Addresses []postrider.Address
	// Disabled says that nobody may log in now. Mail still belongs to the account.
	Disabled bool
}

// A Manager is a [Directory] whose accounts can be changed: [Memory], and those in
// packages beside this one. A change is in effect for the next call when the method
// returns nil. The names and addresses of all accounts share one space, in the forms
// of [PrepareLogin] and [PrepareAddress], so that a login always means one account.
type Manager interface {
	Directory
	// Add adds an account. It returns ErrExist if its name or one of its addresses
	// is taken.
	Add(ctx context.Context, e Entry) error
	// SetPassword sets the password of an account; the old one is wrong from then on. An
	// empty one means that nobody can log in. It returns ErrNotExist if there is no such
	// account.
	SetPassword(ctx context.Context, name, password string) error
	// SetAddresses replaces the addresses of an account. It returns ErrNotExist, or
	// ErrExist if one is taken.
	SetAddresses(ctx context.Context, name string, addresses ...postrider.Address) error
	// SetDisabled forbids or permits to log in. It returns ErrNotExist if there is no such
	// account.
	SetDisabled(ctx context.Context, name string, disabled bool) error
	// Delete removes an account, not its mail. It returns ErrNotExist if there is
	// no such account.
	Delete(ctx context.Context, name string) error
	// List returns all accounts, ordered by name. It ends at the first error.
	List(ctx context.Context) iter.Seq2[Entry, error]
}

// A Key is a string by which an account is found: a login, an address, or both.
type Key struct {
	// Login is the key as [PrepareLogin] and [PrepareAddress] make it.
	Login string
	// Address is what the key is made of, null for a name that is none of the
	// account's addresses.
	Address postrider.Address
}

// Keys returns the keys of e, each once: of its addresses and of its name. Two
// accounts must not share a Login. It is for the authors of a Manager. The error says
// what is wrong with the name or an address.
func (e Entry) Keys() ([]Key, error) {
	name, err := PrepareLogin(e.Name)
	if err != nil {
		return nil, err
	}
	addresses := e.Addresses
	if addr, err := postrider.ParseAddress(e.Name); err == nil && len(addresses) == 0 {
		addresses = []postrider.Address{addr}
	}
	var keys []Key
	for _, addr := range addresses {
		if _, err := postrider.ParseAddress(addr.String()); err != nil {
			return nil, err
		}
		key := Key{Login: PrepareAddress(addr), Address: addr}
		if !slices.ContainsFunc(keys, func(k Key) bool { return k.Login == key.Login }) {
			keys = append(keys, key)
		}
	}
	if !slices.ContainsFunc(keys, func(k Key) bool { return k.Login == name }) {
		keys = append(keys, Key{Login: name})
	}
	return keys, nil
}

// StoredHash returns the hash to keep for e: that of its Password by h, or its Hash
// after a look at its form, or none.
func (e Entry) StoredHash(ctx context.Context, h *Hasher) (string, error) {
	switch {
	case e.Password != "":
		return h.Hash(ctx, e.Password)
	case e.Hash != "":
		return e.Hash, CheckHash(e.Hash)
	}
	return "", nil
}
