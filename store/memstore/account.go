package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider/store"
)

// account is one account. The store's mutex guards it, but for its watchers.
type account struct {
	name       string
	deleted    bool
	mailboxes  map[string]*mailbox // by name
	subscribed map[string]bool

	modSeq    store.ModSeq
	history   int
	changes   []store.Change // oldest first
	forgotten store.ModSeq   // of the newest change that is no longer in changes

	once      map[string]store.Placed // by Target.Once
	onceOrder []onceName              // oldest first

	watchers watchers
}

// onceName is a key of account.once and when it came.
type onceName struct {
	name string
	at   time.Time
}

// accountHandle is the store.Account of an account.
type accountHandle struct {
	s *Store
	a *account
}

// do runs f under the lock, if the account is there, and tells the watchers if it
// changed something.
func (h *accountHandle) do(ctx context.Context, op, mailbox string, f func(a *account) error) (err error) {
	defer annotate(&err, op, h.a.name, mailbox)
	if err := h.s.lock(ctx); err != nil {
		return err
	}
	if h.a.deleted {
		h.s.mu.Unlock()
		return store.ErrNotExist
	}
	before := h.a.modSeq
	err = f(h.a)
	changed := h.a.modSeq != before
	h.s.mu.Unlock()
	if changed {
		h.a.watchers.notify()
	}
	return err
}

// Name is the method of store.Account.
func (h *accountHandle) Name() string { return h.a.name }

// Watch is the method of store.Watcher.
func (h *accountHandle) Watch(changed func()) (stop func()) { return h.a.watchers.watch(changed) }

// Mailboxes is the method of store.Account.
func (h *accountHandle) Mailboxes(ctx context.Context) (list []store.MailboxInfo, err error) {
	err = h.do(ctx, "list", "", func(a *account) error {
		for _, m := range a.mailboxes {
			list = append(list, m.info())
		}
		return nil
	})
	slices.SortFunc(list, func(x, y store.MailboxInfo) int { return store.CompareNames(x.Name, y.Name) })
	return list, err
}

// Create is the method of store.Account.
func (h *accountHandle) Create(ctx context.Context, n store.NewMailbox) (info store.MailboxInfo, err error) {
	err = h.do(ctx, "create", n.Name, func(a *account) error {
		m, err := h.s.createMailbox(a, n)
		if err == nil {
			info = m.info()
		}
		return err
	})
	return info, err
}

// createMailbox adds a mailbox whose name is yet to be looked at.
func (s *Store) createMailbox(a *account, n store.NewMailbox) (*mailbox, error) {
	name, err := store.CanonicalName(n.Name)
	if err != nil {
		return nil, err
	}
	if a.mailboxes[name] != nil {
		return nil, store.ErrExist
	}
	n.Name = name
	return s.addMailbox(a, n), nil
}

// addMailbox adds a mailbox whose name is canonical and free.
func (s *Store) addMailbox(a *account, n store.NewMailbox) *mailbox {
	m := &mailbox{
		id: s.newID("B"), name: n.Name, specialUse: slices.Clone(n.SpecialUse),
		uidValidity: s.newValidity(), uidNext: 1, unclaimed: 1,
	}
	a.mailboxes[n.Name] = m
	a.log(store.MailboxCreated, m, nil)
	if n.Subscribed {
		a.subscribe(n.Name)
	}
	return m
}

// Rename is the method of store.Account.
func (h *accountHandle) Rename(ctx context.Context, from, to string) error {
	return h.do(ctx, "rename", from, func(a *account) error {
		from, err := store.CanonicalName(from)
		if err != nil {
			return err
		}
		to, err := store.CanonicalName(to)
		if err != nil {
			return err
		}
		if from == store.Inbox {
			return h.s.renameInbox(a, to)
		}
		return a.rename(from, to)
	})
}

// rename renames from and all below it.
func (a *account) rename(from, to string) error {
	names := map[string]string{} // new by old
	for old := range a.mailboxes {
		if old != from && !store.IsBelow(old, from) {
			continue
		}
		name, err := store.CanonicalName(to + strings.TrimPrefix(old, from))
		if err != nil {
			return err
		}
		names[old] = name
	}
	switch {
	case len(names) == 0:
		return store.ErrNotExist
	case from == to || a.mailboxes[to] != nil:
		return store.ErrExist
	case store.IsBelow(to, from):
		return store.ErrName
	}
	for _, name := range names {
		if a.mailboxes[name] != nil {
			return store.ErrExist
		}
	}
	for _, old := range slices.SortedFunc(maps.Keys(names), store.CompareNames) {
		m := a.mailboxes[old]
		delete(a.mailboxes, old)
		m.name = names[old]
		a.mailboxes[m.name] = m
		a.log(store.MailboxRenamed, m, nil)
	}
	return nil
}

// renameInbox moves the messages of INBOX, and nothing else, to a new mailbox (RFC 9051
// §6.3.6).
func (s *Store) renameInbox(a *account, to string) error {
	m, err := s.createMailbox(a, store.NewMailbox{Name: to})
	if err != nil {
		return err
	}
	inbox := a.mailboxes[store.Inbox]
	if uids := inbox.uids(); !uids.IsEmpty() {
		_, err = a.copyMessages(inbox, m, uids, true)
	}
	return err
}

// Delete is the method of store.Account.
func (h *accountHandle) Delete(ctx context.Context, name string) error {
	return h.do(ctx, "delete", name, func(a *account) error {
		m, err := a.mailbox(name)
		switch {
		case err != nil:
			return err
		case m.name == store.Inbox:
			return store.ErrName
		}
		delete(a.mailboxes, m.name)
		m.deleted = true
		a.log(store.MailboxDeleted, m, nil)
		return nil
	})
}

// mailbox returns the mailbox of that name.
func (a *account) mailbox(name string) (*mailbox, error) {
	name, err := store.CanonicalName(name)
	if err != nil {
		return nil, err
	}
	m := a.mailboxes[name]
	if m == nil {
		return nil, store.ErrNotExist
	}
	return m, nil
}

// Subscribe is the method of store.Account.
func (h *accountHandle) Subscribe(ctx context.Context, name string) error {
	return h.do(ctx, "subscribe to", name, func(a *account) error {
		name, err := store.CanonicalName(name)
		if err != nil {
			return err
		}
		a.subscribe(name)
		return nil
	})
}

func (a *account) subscribe(name string) {
	if !a.subscribed[name] {
		a.subscribed[name] = true
		a.log(store.MailboxSubscriptions, nil, nil)
	}
}

// Unsubscribe is the method of store.Account.
func (h *accountHandle) Unsubscribe(ctx context.Context, name string) error {
	return h.do(ctx, "unsubscribe from", name, func(a *account) error {
		name, err := store.CanonicalName(name)
		if err != nil {
			return err
		}
		if a.subscribed[name] {
			delete(a.subscribed, name)
			a.log(store.MailboxSubscriptions, nil, nil)
		}
		return nil
	})
}

// Subscriptions is the method of store.Account.
func (h *accountHandle) Subscriptions(ctx context.Context) (names []string, err error) {
	err = h.do(ctx, "list", "", func(a *account) error {
		names = slices.SortedFunc(maps.Keys(a.subscribed), store.CompareNames)
		return nil
	})
	return names, err
}

// Open is the method of store.Account.
func (h *accountHandle) Open(ctx context.Context, name string) (store.Mailbox, error) {
	var open *mailboxHandle
	err := h.do(ctx, "open", name, func(a *account) error {
		m, err := a.mailbox(name)
		open = &mailboxHandle{h, m, name}
		return err
	})
	if err != nil {
		return nil, err
	}
	return open, nil
}

// ModSeq is the method of store.Account.
func (h *accountHandle) ModSeq(ctx context.Context) (seq store.ModSeq, err error) {
	err = h.do(ctx, "look at", "", func(a *account) error {
		seq = a.modSeq
		return nil
	})
	return seq, err
}

// Changes is the method of store.Account.
func (h *accountHandle) Changes(ctx context.Context, since store.ModSeq, mailboxID string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		var changes []store.Change
		err := h.do(ctx, "read the log", "", func(a *account) (err error) {
			changes, err = a.changesSince(since)
			return err
		})
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		for _, c := range changes {
			if (mailboxID == "" || c.MailboxID == mailboxID) && !yield(c, nil) {
				return
			}
		}
	}
}
