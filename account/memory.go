package account

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/postrider/postrider"
)

// Memory is a [Manager] in memory, for tests and for settings that come from a file or
// a flag. The zero Memory is empty and ready; it must not be copied. It may be used
// by many goroutines at once.
type Memory struct {
	// Passwords hashes and compares. Nil means a Hasher of its own.
	Passwords *Hasher

	own Hasher // where Passwords is nil

	mu       sync.RWMutex // guards what follows; entries are replaced, never changed
	accounts map[string]*memoryAccount
	logins   map[string]*memoryAccount // by Key.Login
}

type memoryAccount struct {
	entry Entry // Hash set, Password empty
	keys  []Key
}

func (m *Memory) hasher() *Hasher {
	if m.Passwords != nil {
		return m.Passwords
	}
	return &m.own
}

// Resolve implements [Directory].
func (m *Memory) Resolve(ctx context.Context, addr postrider.Address) (string, error) {
	login := PrepareAddress(addr)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if a := m.logins[login]; a != nil {
		for _, k := range a.keys {
			if k.Login == login && !k.Address.IsNull() {
				return a.entry.Name, nil
			}
		}
	}
	return "", ErrNotExist
}

// Verify implements [Directory].
func (m *Memory) Verify(ctx context.Context, login, password string) (string, error) {
	e := m.find(login)
	if err := m.hasher().Verify(ctx, e.Hash, password); err != nil {
		return "", err
	}
	if e.Disabled {
		return "", ErrDisabled
	}
	return e.Name, nil
}

// find returns the account of a login, and one without a password if there is
// none.
func (m *Memory) find(login string) Entry {
	login, err := PrepareLogin(login)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if a := m.logins[login]; a != nil && err == nil {
		return a.entry
	}
	return Entry{}
}

// Add implements [Manager].
func (m *Memory) Add(ctx context.Context, e Entry) error {
	hash, err := e.StoredHash(ctx, m.hasher())
	if err != nil {
		return err
	}
	e.Password, e.Hash = "", hash
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts[e.Name] != nil {
		return ErrExist
	}
	return m.put(e)
}

// put sets the account of e, in place of one of the same name. m.mu is held.
func (m *Memory) put(e Entry) error {
	keys, err := e.Keys()
	if err != nil {
		return err
	}
	e.Addresses = nil
	for _, k := range keys {
		if !k.Address.IsNull() {
			e.Addresses = append(e.Addresses, k.Address)
		}
	}
	old := m.accounts[e.Name]
	for _, k := range keys {
		if other := m.logins[k.Login]; other != nil && other != old {
			return ErrExist
		}
	}
	if old == nil && m.accounts == nil {
		m.accounts, m.logins = make(map[string]*memoryAccount), make(map[string]*memoryAccount)
	}
	m.remove(old)
	a := &memoryAccount{entry: e, keys: keys}
	m.accounts[e.Name] = a
	for _, k := range keys {
		m.logins[k.Login] = a
	}
	return nil
}

// remove takes out a, which may be nil. m.mu is held.
func (m *Memory) remove(a *memoryAccount) {
	if a == nil {
		return
	}
	delete(m.accounts, a.entry.Name)
	for _, k := range a.keys {
		delete(m.logins, k.Login)
	}
}

// change replaces an account by what f makes of it.
func (m *Memory) change(name string, f func(*Entry)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[name]
	if a == nil {
		return ErrNotExist
	}
	e := a.entry
	f(&e)
	return m.put(e)
}

// SetPassword implements [Manager].
func (m *Memory) SetPassword(ctx context.Context, name, password string) error {
	hash, err := Entry{Password: password}.StoredHash(ctx, m.hasher())
	if err != nil {
		return err
	}
	return m.change(name, func(e *Entry) { e.Hash = hash })
}

// SetAddresses implements [Manager].
func (m *Memory) SetAddresses(ctx context.Context, name string, addresses ...postrider.Address) error {
	return m.change(name, func(e *Entry) { e.Addresses = addresses })
}

// SetDisabled implements [Manager].
func (m *Memory) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return m.change(name, func(e *Entry) { e.Disabled = disabled })
}

// Delete implements [Manager].
func (m *Memory) Delete(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accounts[name]
	if a == nil {
		return ErrNotExist
	}
	m.remove(a)
	return nil
}

// List implements [Manager]. It lists the accounts of one moment.
func (m *Memory) List(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range m.entries() {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *Memory) entries() []Entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(m.accounts)) {
		e := m.accounts[name].entry
		e.Addresses = slices.Clone(e.Addresses)
		entries = append(entries, e)
	}
	return entries
}
