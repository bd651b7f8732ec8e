package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// A fault is a way for a store to break promises. Each function, if there is one, wraps
// the good part in a bad one.
type fault struct {
	name    string
	breaks  []string // promises
	store   func(store.Store) store.Store
	account func(store.Account) store.Account
	mailbox func(store.Mailbox, store.Account) store.Mailbox
}

// wrap returns s with the fault.
func (f fault) wrap(s store.Store) store.Store {
	var w store.Store = &faultyStore{s, f}
	if f.store != nil {
		w = f.store(w)
	}
	return w
}

type faultyStore struct {
	store.Store
	f fault
}

func (s *faultyStore) Account(ctx context.Context, name string) (store.Account, error) {
	a, err := s.Store.Account(ctx, name)
	if err != nil {
		return nil, err
	}
	var w store.Account = &faultyAccount{a, s.f}
	if s.f.account != nil {
		w = s.f.account(w)
	}
	return w, nil
}

type faultyAccount struct {
	store.Account
	f fault
}

func (a *faultyAccount) Watch(changed func()) func() { return store.Watch(a.Account, changed) }

func (a *faultyAccount) Open(ctx context.Context, name string) (store.Mailbox, error) {
	m, err := a.Account.Open(ctx, name)
	if err != nil || a.f.mailbox == nil {
		return m, err
	}
	return a.f.mailbox(m, a), nil
}

// Stores, accounts and mailboxes of which some methods are replaced.
type (
	badStore struct {
		store.Store
		create  func(ctx context.Context, s store.Store, name string, mailboxes []store.NewMailbox) error
		delete  func(ctx context.Context, s store.Store, name string) error
		account func(ctx context.Context, s store.Store, name string) (store.Account, error)
		deliver func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error)
		close   func() error
	}
	badAccount struct {
		store.Account
		mailboxes func(ctx context.Context, a store.Account) ([]store.MailboxInfo, error)
		create    func(ctx context.Context, a store.Account, n store.NewMailbox) (store.MailboxInfo, error)
		rename    func(ctx context.Context, a store.Account, from, to string) error
		delete    func(ctx context.Context, a store.Account, name string) error
		subscribe func(ctx context.Context, a store.Account, name string) error
		open      func(ctx context.Context, a store.Account, name string) (store.Mailbox, error)
		changes   func(ctx context.Context, a store.Account, since store.ModSeq, id string) iter.Seq2[store.Change, error]
	}
	badMailbox struct {
		store.Mailbox
		status     func(st store.Status) store.Status
		scan       func(ctx context.Context, m store.Mailbox, q store.ScanQuery) iter.Seq2[store.Message, error]
		content    func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error)
		append     func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error)
		setFlags   func(ctx context.Context, m store.Mailbox, c store.FlagChange) (store.FlagResult, error)
		copy, move func(ctx context.Context, m store.Mailbox, uids store.UIDSet, to string) (store.Copied, error)
		expunge    func(ctx context.Context, m store.Mailbox, uids store.UIDSet, having []store.Flag) (store.Expunged, error)
		takeRecent func(ctx context.Context, m store.Mailbox) (store.UIDSet, error)
	}
)

func (b *badStore) CreateAccount(ctx context.Context, name string, mailboxes ...store.NewMailbox) error {
	if b.create != nil {
		return b.create(ctx, b.Store, name, mailboxes)
	}
	return b.Store.CreateAccount(ctx, name, mailboxes...)
}

func (b *badStore) DeleteAccount(ctx context.Context, name string) error {
	if b.delete != nil {
		return b.delete(ctx, b.Store, name)
	}
	return b.Store.DeleteAccount(ctx, name)
}

func (b *badStore) Account(ctx context.Context, name string) (store.Account, error) {
	if b.account != nil {
		return b.account(ctx, b.Store, name)
	}
	return b.Store.Account(ctx, name)
}

func (b *badStore) Deliver(ctx context.Context, c postrider.Content, to []store.Target) ([]store.Placed, error) {
	if b.deliver != nil {
		return b.deliver(ctx, b.Store, c, to)
	}
	return b.Store.Deliver(ctx, c, to)
}

func (b *badStore) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Store.Close()
}

func (b *badAccount) Watch(changed func()) func() { return store.Watch(b.Account, changed) }

func (b *badAccount) Mailboxes(ctx context.Context) ([]store.MailboxInfo, error) {
	if b.mailboxes != nil {
		return b.mailboxes(ctx, b.Account)
	}
	return b.Account.Mailboxes(ctx)
}

func (b *badAccount) Create(ctx context.Context, n store.NewMailbox) (store.MailboxInfo, error) {
	if b.create != nil {
		return b.create(ctx, b.Account, n)
	}
	return b.Account.Create(ctx, n)
}

func (b *badAccount) Rename(ctx context.Context, from, to string) error {
	if b.rename != nil {
		return b.rename(ctx, b.Account, from, to)
	}
	return b.Account.Rename(ctx, from, to)
}

func (b *badAccount) Delete(ctx context.Context, name string) error {
	if b.delete != nil {
		return b.delete(ctx, b.Account, name)
	}
	return b.Account.Delete(ctx, name)
}

func (b *badAccount) Subscribe(ctx context.Context, name string) error {
	if b.subscribe != nil {
		return b.subscribe(ctx, b.Account, name)
	}
	return b.Account.Subscribe(ctx, name)
}

func (b *badAccount) Open(ctx context.Context, name string) (store.Mailbox, error) {
	if b.open != nil {
		return b.open(ctx, b.Account, name)
	}
	return b.Account.Open(ctx, name)
}

func (b *badAccount) Changes(ctx context.Context, since store.ModSeq, id string) iter.Seq2[store.Change, error] {
	if b.changes != nil {
		return b.changes(ctx, b.Account, since, id)
	}
	return b.Account.Changes(ctx, since, id)
}

func (b *badMailbox) Status(ctx context.Context) (store.Status, error) {
	st, err := b.Mailbox.Status(ctx)
	if b.status != nil && err == nil {
		st = b.status(st)
	}
	return st, err
}

func (b *badMailbox) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	if b.scan != nil {
		return b.scan(ctx, b.Mailbox, q)
	}
	return b.Mailbox.Scan(ctx, q)
}

func (b *badMailbox) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	if b.content != nil {
		return b.content(ctx, b.Mailbox, uid)
	}
	return b.Mailbox.Content(ctx, uid)
}

func (b *badMailbox) Append(ctx context.Context, msgs []store.NewMessage) ([]store.Placed, error) {
	if b.append != nil {
		return b.append(ctx, b.Mailbox, msgs)
	}
	return b.Mailbox.Append(ctx, msgs)
}

func (b *badMailbox) SetFlags(ctx context.Context, c store.FlagChange) (store.FlagResult, error) {
	if b.setFlags != nil {
		return b.setFlags(ctx, b.Mailbox, c)
	}
	return b.Mailbox.SetFlags(ctx, c)
}

func (b *badMailbox) Copy(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	if b.copy != nil {
		return b.copy(ctx, b.Mailbox, uids, to)
	}
	return b.Mailbox.Copy(ctx, uids, to)
}

func (b *badMailbox) Move(ctx context.Context, uids store.UIDSet, to string) (store.Copied, error) {
	if b.move != nil {
		return b.move(ctx, b.Mailbox, uids, to)
	}
	return b.Mailbox.Move(ctx, uids, to)
}

func (b *badMailbox) Expunge(ctx context.Context, uids store.UIDSet, having ...store.Flag) (store.Expunged, error) {
	if b.expunge != nil {
		return b.expunge(ctx, b.Mailbox, uids, having)
	}
	return b.Mailbox.Expunge(ctx, uids, having...)
}

func (b *badMailbox) TakeRecent(ctx context.Context) (store.UIDSet, error) {
	if b.takeRecent != nil {
		return b.takeRecent(ctx, b.Mailbox)
	}
	return b.Mailbox.TakeRecent(ctx)
}

// Short ways to make a fault of a bad part.
func inStore(b func(store.Store) badStore) func(store.Store) store.Store {
	return func(s store.Store) store.Store {
		bad := b(s)
		bad.Store = s
		return &bad
	}
}

func inAccount(b badAccount) func(store.Account) store.Account {
	return func(a store.Account) store.Account {
		bad := b
		bad.Account = a
		return &bad
	}
}

func inMailbox(b badMailbox) func(store.Mailbox, store.Account) store.Mailbox {
	return func(m store.Mailbox, _ store.Account) store.Mailbox {
		bad := b
		bad.Mailbox = m
		return &bad
	}
}

func constant(b badStore) func(store.Store) badStore { return func(store.Store) badStore { return b } }

var faults = []fault{
	{
		name:   "forgets the mailboxes of a new account",
		breaks: []string{"an account has an INBOX and what was asked for"},
		store: inStore(constant(badStore{create: func(ctx context.Context, s store.Store, name string, _ []store.NewMailbox) error {
			return s.CreateAccount(ctx, name)
		}})),
	}, {
		name:   "makes an account step by step",
		breaks: []string{"an account is made whole or not at all", "an account is made once, whoever asks"},
		store: inStore(constant(badStore{create: func(ctx context.Context, s store.Store, name string, mailboxes []store.NewMailbox) error {
			err := s.CreateAccount(ctx, name)
			for _, n := range mailboxes {
				if a, _ := s.Account(ctx, name); err == nil {
					time.Sleep(time.Millisecond)
					_, err = a.Create(ctx, n)
				}
			}
			return err
		}})),
	}, {
		name:   "folds the names of accounts",
		breaks: []string{"account names are compared octet for octet"},
		store: inStore(constant(badStore{create: func(ctx context.Context, s store.Store, name string, mailboxes []store.NewMailbox) error {
			return s.CreateAccount(ctx, strings.ToLower(name), mailboxes...)
		}})),
	}, {
		name:   "only hides a deleted account",
		breaks: []string{"a deleted account is gone for all who hold it"},
		store: inStore(func(store.Store) badStore {
			hidden := map[string]bool{}
			return badStore{
				delete: func(_ context.Context, _ store.Store, name string) error {
					hidden[name] = true
					return nil
				},
				account: func(ctx context.Context, s store.Store, name string) (store.Account, error) {
					if hidden[name] {
						return nil, store.ErrNotExist
					}
					return s.Account(ctx, name)
				},
			}
		}),
	}, {
		name:   "gives the same UIDValidity to all",
		breaks: []string{"an account made anew is another", "a mailbox made again has a larger UIDValidity"},
		mailbox: inMailbox(badMailbox{status: func(st store.Status) store.Status {
			st.UIDValidity = 1
			return st
		}}),
		account: inAccount(badAccount{create: func(ctx context.Context, a store.Account, n store.NewMailbox) (store.MailboxInfo, error) {
			info, err := a.Create(ctx, n)
			info.Status.UIDValidity = 1
			return info, err
		}}),
	}, {
		name:   "has one set of subscriptions",
		breaks: []string{"accounts are isolated"},
		store: inStore(constant(badStore{account: func(ctx context.Context, s store.Store, name string) (store.Account, error) {
			a, err := s.Account(ctx, name)
			return &badAccount{Account: a, subscribe: func(ctx context.Context, a store.Account, name string) error {
				for other := range s.Accounts(ctx) {
					if o, err := s.Account(ctx, other); err == nil {
						err = o.Subscribe(ctx, name)
						if err != nil {
							return err
						}
					}
				}
				return nil
			}}, err
		}})),
	}, {
		name:   "names mailboxes by their name",
		breaks: []string{"a new mailbox is empty and has an ID"},
		account: inAccount(badAccount{create: func(ctx context.Context, a store.Account, n store.NewMailbox) (store.MailboxInfo, error) {
			info, err := a.Create(ctx, n)
			info.ID = info.Name
			return info, err
		}}),
	}, {
		name:   "deletes what is below",
		breaks: []string{"Delete removes a mailbox and not what is below it", "replaying the log from any point gives the state"},
		account: inAccount(badAccount{delete: func(ctx context.Context, a store.Account, name string) error {
			err := a.Delete(ctx, name)
			list, _ := a.Mailboxes(ctx)
			for _, info := range list {
				if err == nil && store.IsBelow(info.Name, name) {
					err = a.Delete(ctx, info.Name)
				}
			}
			return err
		}}),
	}, {
		name:   "renames by making a new mailbox",
		breaks: []string{"Rename takes along what is below"},
		account: inAccount(badAccount{rename: func(ctx context.Context, a store.Account, from, to string) error {
			m, err := a.Open(ctx, from)
			if err != nil {
				return err
			}
			if _, err := a.Create(ctx, store.NewMailbox{Name: to}); err != nil {
				return err
			}
			if _, err := m.Move(ctx, store.AllUIDs(), to); err != nil {
				return err
			}
			return a.Delete(ctx, from)
		}}),
	}, {
		name:   "renames over what is there",
		breaks: []string{"Rename is refused whole"},
		account: inAccount(badAccount{rename: func(ctx context.Context, a store.Account, from, to string) error {
			err := a.Rename(ctx, from, to)
			if errors.Is(err, store.ErrExist) && a.Delete(ctx, to) == nil {
				err = a.Rename(ctx, from, to)
			}
			return err
		}}),
	}, {
		name:   "takes the children of INBOX along",
		breaks: []string{"Rename of INBOX moves its messages only"},
		account: inAccount(badAccount{rename: func(ctx context.Context, a store.Account, from, to string) error {
			err := a.Rename(ctx, from, to)
			if err == nil && strings.EqualFold(from, "INBOX") {
				err = a.Rename(ctx, "INBOX/child", to+"/child")
			}
			return err
		}}),
	}, {
		name:   "subscribes to real mailboxes only",
		breaks: []string{"subscriptions are names"},
		account: inAccount(badAccount{subscribe: func(ctx context.Context, a store.Account, name string) error {
			if _, err := a.Open(ctx, name); err != nil {
				return err
			}
			return a.Subscribe(ctx, name)
		}}),
	}, {
		name:   "knows INBOX in capitals only",
		breaks: []string{"INBOX is that name in any case"},
		account: inAccount(badAccount{open: func(ctx context.Context, a store.Account, name string) (store.Mailbox, error) {
			if strings.EqualFold(name, "INBOX") && name != "INBOX" {
				return nil, store.ErrNotExist
			}
			return a.Open(ctx, name)
		}}),
	}, {
		name:   "folds the names of mailboxes",
		breaks: []string{"names are UTF-8 with a slash between levels"},
		account: inAccount(badAccount{open: func(ctx context.Context, a store.Account, name string) (store.Mailbox, error) {
			if m, err := a.Open(ctx, strings.ToLower(name)); err == nil {
				return m, nil
			}
			return a.Open(ctx, name)
		}}),
	}, {
		name:   "lists mailboxes octet for octet",
		breaks: []string{"names are UTF-8 with a slash between levels"},
		account: inAccount(badAccount{mailboxes: func(ctx context.Context, a store.Account) ([]store.MailboxInfo, error) {
			list, err := a.Mailboxes(ctx)
			slices.SortFunc(list, func(x, y store.MailboxInfo) int { return strings.Compare(x.Name, y.Name) })
			return list, err
		}}),
	}, {
		name:   "mends names",
		breaks: []string{"impossible names are refused"},
		account: inAccount(badAccount{create: func(ctx context.Context, a store.Account, n store.NewMailbox) (store.MailboxInfo, error) {
			n.Name = strings.Trim(n.Name, "/")
			return a.Create(ctx, n)
		}}),
	}, {
		name:   "has a UIDNext that is the last",
		breaks: []string{"UIDs ascend and are never used again", "Status counts"},
		mailbox: inMailbox(badMailbox{status: func(st store.Status) store.Status {
			st.UIDNext--
			return st
		}}),
	}, {
		name:   "says where the messages are in the wrong order",
		breaks: []string{"Append says where the messages are"},
		mailbox: inMailbox(badMailbox{append: func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error) {
			placed, err := m.Append(ctx, msgs)
			slices.Reverse(placed)
			return placed, err
		}}),
	}, {
		name:   "appends one message after the other",
		breaks: []string{"Append adds all or none", "a call that is cancelled midway does all or nothing"},
		mailbox: inMailbox(badMailbox{append: func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error) {
			var all []store.Placed
			for i := range msgs {
				placed, err := m.Append(ctx, msgs[i:i+1])
				if err != nil {
					return nil, err
				}
				all = append(all, placed...)
				time.Sleep(time.Millisecond)
			}
			return all, nil
		}}),
	}, {
		name:   "leaves out flags that it does not like",
		breaks: []string{"flags of a new message are canonical"},
		mailbox: inMailbox(badMailbox{append: func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error) {
			msgs = slices.Clone(msgs)
			for i := range msgs {
				msgs[i].Flags = slices.DeleteFunc(slices.Clone(msgs[i].Flags), func(f store.Flag) bool {
					_, err := store.ParseFlag(string(f))
					return err != nil
				})
			}
			return m.Append(ctx, msgs)
		}}),
	}, {
		name:    "keeps dates in UTC",
		breaks:  []string{"the internal date is kept"},
		mailbox: inMailbox(badMailbox{scan: mapped(func(msg *store.Message) { msg.InternalDate = msg.InternalDate.UTC() })}),
	}, {
		name:   "keeps half a summary",
		breaks: []string{"the summary is kept"},
		mailbox: inMailbox(badMailbox{scan: mapped(func(msg *store.Message) {
			if msg.Summary != nil {
				half := *msg.Summary
				half.Preview = ""
				msg.Summary = &half
			}
		})}),
	}, {
		name:   "counts the unseen wrongly",
		breaks: []string{"Status counts"},
		mailbox: inMailbox(badMailbox{status: func(st store.Status) store.Status {
			st.Unseen = st.Messages
			return st
		}}),
	}, {
		name:   "scans everything always",
		breaks: []string{"Scan yields what was asked for"},
		mailbox: inMailbox(badMailbox{scan: func(ctx context.Context, m store.Mailbox, q store.ScanQuery) iter.Seq2[store.Message, error] {
			q.ChangedSince = 0
			return m.Scan(ctx, q)
		}}),
	}, {
		name:   "takes an empty set for all",
		breaks: []string{"Scan yields what was asked for"},
		mailbox: inMailbox(badMailbox{scan: func(ctx context.Context, m store.Mailbox, q store.ScanQuery) iter.Seq2[store.Message, error] {
			if len(q.UIDs) == 0 {
				q.UIDs = nil
			}
			return m.Scan(ctx, q)
		}}),
	}, {
		name:   "scans by offset",
		breaks: []string{"a Scan goes on while things change"},
		mailbox: inMailbox(badMailbox{scan: func(ctx context.Context, m store.Mailbox, q store.ScanQuery) iter.Seq2[store.Message, error] {
			return func(yield func(store.Message, error) bool) {
				for offset := 0; ; offset++ {
					i, found := 0, false
					for msg, err := range m.Scan(ctx, q) {
						if found = i == offset; found {
							if !yield(msg, err) {
								return
							}
							break
						}
						i++
					}
					if !found {
						return
					}
				}
			}
		}}),
	}, {
		name:   "gives recent messages to everybody",
		breaks: []string{"a message is recent once"},
		mailbox: inMailbox(badMailbox{takeRecent: func(ctx context.Context, m store.Mailbox) (store.UIDSet, error) {
			if _, err := m.TakeRecent(ctx); err != nil {
				return nil, err
			}
			return store.ListUIDs(ctx, m)
		}}),
	}, {
		name:   "mends line ends",
		breaks: []string{"bytes are exact"},
		mailbox: inMailbox(badMailbox{content: func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error) {
			return changed(ctx, m, uid, func(b []byte) []byte {
				b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
				return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
			})
		}}),
	}, {
		name:   "cuts large messages",
		breaks: []string{"a large message can be read from any offset"},
		mailbox: inMailbox(badMailbox{content: func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error) {
			return changed(ctx, m, uid, func(b []byte) []byte { return b[:min(len(b), 4<<20)] })
		}}),
	}, {
		name:   "reads from where another reader was",
		breaks: []string{"a large message can be read from any offset"},
		mailbox: inMailbox(badMailbox{content: func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error) {
			c, err := m.Content(ctx, uid)
			if err != nil {
				return nil, err
			}
			return &seeking{Content: c}, nil
		}}),
	}, {
		name:   "reads contents late",
		breaks: []string{"a content is readable until it is closed"},
		mailbox: inMailbox(badMailbox{content: func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error) {
			c, err := m.Content(ctx, uid)
			if err != nil {
				return nil, err
			}
			return &late{Content: c, m: m, uid: uid}, nil
		}}),
	}, {
		name:   "has an empty content for what is not there",
		breaks: []string{"a message that is not there has no content"},
		mailbox: inMailbox(badMailbox{content: func(ctx context.Context, m store.Mailbox, uid store.UID) (postrider.Content, error) {
			c, err := m.Content(ctx, uid)
			if errors.Is(err, store.ErrNotExist) {
				return postrider.String(""), nil
			}
			return c, err
		}}),
	}, {
		name:   "closes what it borrowed",
		breaks: []string{"contents are borrowed"},
		mailbox: inMailbox(badMailbox{append: func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error) {
			placed, err := m.Append(ctx, msgs)
			for _, n := range msgs {
				err = errors.Join(err, n.Content.Close())
			}
			return placed, err
		}}),
	}, {
		name:   "adds where it should replace",
		breaks: []string{"SetFlags adds, removes and replaces"},
		mailbox: inMailbox(badMailbox{setFlags: func(ctx context.Context, m store.Mailbox, c store.FlagChange) (store.FlagResult, error) {
			if c.Op == store.FlagsReplace {
				c.Op = store.FlagsAdd
			}
			return m.SetFlags(ctx, c)
		}}),
	}, {
		name:   "changes flags that are so already",
		breaks: []string{"a flag that is set already changes nothing"},
		mailbox: inMailbox(badMailbox{setFlags: func(ctx context.Context, m store.Mailbox, c store.FlagChange) (store.FlagResult, error) {
			undo := c
			undo.Op = store.FlagsRemove
			if _, err := m.SetFlags(ctx, undo); err != nil {
				return store.FlagResult{}, err
			}
			return m.SetFlags(ctx, c)
		}}),
	}, {
		name:   "does not look at UnchangedSince",
		breaks: []string{"UnchangedSince is decided message by message"},
		mailbox: inMailbox(badMailbox{setFlags: func(ctx context.Context, m store.Mailbox, c store.FlagChange) (store.FlagResult, error) {
			c.UnchangedSince = 0
			return m.SetFlags(ctx, c)
		}}),
	}, {
		name:   "keeps keywords in lower case",
		breaks: []string{"keywords are the same in any case"},
		mailbox: inMailbox(badMailbox{scan: mapped(func(msg *store.Message) {
			msg.Flags = slices.Clone(msg.Flags)
			for i, f := range msg.Flags {
				msg.Flags[i] = f.Fold()
			}
		})}),
	}, {
		name:   "drops the keyword that is one too many",
		breaks: []string{"a mailbox has a bounded number of keywords"},
		mailbox: inMailbox(badMailbox{setFlags: func(ctx context.Context, m store.Mailbox, c store.FlagChange) (store.FlagResult, error) {
			res, err := m.SetFlags(ctx, c)
			if errors.Is(err, store.ErrLimit) {
				c.Flags = c.Flags[:len(c.Flags)-1]
				return m.SetFlags(ctx, c)
			}
			return res, err
		}}),
	}, {
		name:   "copies without flags",
		breaks: []string{"Copy keeps flags, dates, bytes and the ID"},
		mailbox: func(m store.Mailbox, a store.Account) store.Mailbox {
			return &badMailbox{Mailbox: m, copy: func(ctx context.Context, m store.Mailbox, uids store.UIDSet, to string) (store.Copied, error) {
				c, err := m.Copy(ctx, uids, to)
				if err != nil {
					return c, err
				}
				target, err := a.Open(ctx, to)
				if err != nil {
					return c, err
				}
				_, err = target.SetFlags(ctx, store.FlagChange{UIDs: c.Dest, Op: store.FlagsReplace})
				return c, err
			}}
		},
	}, {
		name:   "does not copy to the same mailbox",
		breaks: []string{"Copy to the same mailbox makes new messages"},
		mailbox: inMailbox(badMailbox{copy: func(ctx context.Context, m store.Mailbox, uids store.UIDSet, to string) (store.Copied, error) {
			if strings.EqualFold(to, "INBOX") {
				return store.Copied{Source: uids, Dest: uids}, nil
			}
			return m.Copy(ctx, uids, to)
		}}),
	}, {
		name:   "makes the target of a copy",
		breaks: []string{"Copy never makes a mailbox"},
		mailbox: func(m store.Mailbox, a store.Account) store.Mailbox {
			return &badMailbox{Mailbox: m, copy: func(ctx context.Context, m store.Mailbox, uids store.UIDSet, to string) (store.Copied, error) {
				if _, err := a.Create(ctx, store.NewMailbox{Name: to}); err != nil && !errors.Is(err, store.ErrExist) {
					return store.Copied{}, err
				}
				return m.Copy(ctx, uids, to)
			}}
		},
	}, {
		name:   "moves without removing",
		breaks: []string{"Move is a copy and the removal in one step"},
		mailbox: inMailbox(badMailbox{move: func(ctx context.Context, m store.Mailbox, uids store.UIDSet, to string) (store.Copied, error) {
			return m.Copy(ctx, uids, to)
		}}),
	}, {
		name:   "expunges whatever the flags",
		breaks: []string{"Expunge removes what has the flags"},
		mailbox: inMailbox(badMailbox{expunge: func(ctx context.Context, m store.Mailbox, uids store.UIDSet, _ []store.Flag) (store.Expunged, error) {
			return m.Expunge(ctx, uids)
		}}),
	}, {
		name:   "delivers to one mailbox once",
		breaks: []string{"Deliver puts the message into every target"},
		store: inStore(constant(badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
			placed := make([]store.Placed, len(to))
			done := map[string]store.Placed{}
			for i, t := range to {
				name, _ := store.CanonicalName(t.Mailbox)
				if name == "" {
					name = "INBOX"
				}
				key := t.Account + "\x00" + name
				if _, ok := done[key]; !ok {
					p, err := s.Deliver(ctx, c, []store.Target{t})
					if err != nil {
						return nil, err
					}
					done[key] = p[0]
				}
				placed[i] = done[key]
			}
			return placed, nil
		}})),
	}, {
		name:   "delivers to one after the other",
		breaks: []string{"Deliver serves all targets or none"},
		store: inStore(constant(badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
			var all []store.Placed
			for i, t := range to {
				placed, err := s.Deliver(ctx, c, []store.Target{t})
				if err != nil {
					return nil, &store.TargetError{Index: i, Err: err}
				}
				all = append(all, placed...)
			}
			return all, nil
		}})),
	}, {
		name:   "subscribes to what a delivery makes",
		breaks: []string{"Deliver makes a mailbox if it may"},
		store: inStore(constant(badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
			placed, err := s.Deliver(ctx, c, to)
			for _, t := range to {
				if a, e := s.Account(ctx, t.Account); e == nil && t.Create {
					err = errors.Join(err, a.Subscribe(ctx, t.Mailbox))
				}
			}
			return placed, err
		}})),
	}, {
		name:   "forgets the names of deliveries",
		breaks: []string{"a named delivery happens once", "a named delivery happens once, whoever tries", "a named delivery happens once, also after Close"},
		store: inStore(constant(badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
			to = slices.Clone(to)
			for i := range to {
				to[i].Once = ""
			}
			return s.Deliver(ctx, c, to)
		}})),
	}, {
		name:    "does not log flags",
		breaks:  []string{"the log says what happened", "replaying the log from any point gives the state"},
		account: inAccount(badAccount{changes: without(store.MessagesFlagged)}),
	}, {
		name:    "does not log what vanishes",
		breaks:  []string{"replaying the log from any point gives the state", "many may do everything at once"},
		account: inAccount(badAccount{changes: without(store.MessagesVanished)}),
	}, {
		name:   "forgets the log of a deleted mailbox",
		breaks: []string{"the log may be read from anywhere, slowly"},
		account: inAccount(badAccount{changes: func(ctx context.Context, a store.Account, since store.ModSeq, id string) iter.Seq2[store.Change, error] {
			return func(yield func(store.Change, error) bool) {
				list, err := a.Mailboxes(ctx)
				if id != "" && !slices.ContainsFunc(list, func(info store.MailboxInfo) bool { return info.ID == id }) {
					yield(store.Change{}, errors.Join(err, store.ErrNotExist))
					return
				}
				a.Changes(ctx, since, id)(yield)
			}
		}}),
	}, {
		name:   "logs by the second",
		breaks: []string{"ModSeqs ascend"},
		account: inAccount(badAccount{changes: func(ctx context.Context, a store.Account, since store.ModSeq, id string) iter.Seq2[store.Change, error] {
			return func(yield func(store.Change, error) bool) {
				for c, err := range a.Changes(ctx, since, id) {
					c.ModSeq = c.ModSeq/2*2 + 1
					if !yield(c, err) {
						return
					}
				}
			}
		}}),
	}, {
		name:    "never tells a watcher",
		breaks:  []string{"watchers are told"},
		account: func(a store.Account) store.Account { return &deaf{a} },
	}, {
		name:   "gives up on a call and does it all the same",
		breaks: []string{"a cancelled call does all or nothing", "a call that is cancelled midway does all or nothing"},
		mailbox: inMailbox(badMailbox{append: func(ctx context.Context, m store.Mailbox, msgs []store.NewMessage) ([]store.Placed, error) {
			placed, err := m.Append(context.WithoutCancel(ctx), msgs)
			return placed, errors.Join(err, ctx.Err())
		}}),
	}, {
		name:   "goes on after Close",
		breaks: []string{"a closed store answers ErrClosed"},
		store:  inStore(constant(badStore{close: func() error { return nil }})),
	}, {
		name:   "loses a message now and then",
		breaks: []string{"many may do everything at once"},
		store: inStore(func(store.Store) badStore {
			var n atomic.Int64
			return badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
				if n.Add(1)%10 == 0 {
					return make([]store.Placed, len(to)), nil
				}
				return s.Deliver(ctx, c, to)
			}}
		}),
	}, {
		name:   "looks for a named delivery first and delivers then",
		breaks: []string{"a named delivery happens once, whoever tries"},
		store: inStore(func(store.Store) badStore {
			var names sync.Map
			return badStore{deliver: func(ctx context.Context, s store.Store, c postrider.Content, to []store.Target) ([]store.Placed, error) {
				if p, ok := names.Load(to[0].Once); ok {
					return []store.Placed{p.(store.Placed)}, nil
				}
				time.Sleep(5 * time.Millisecond)
				placed, err := s.Deliver(ctx, c, []store.Target{{Account: to[0].Account}})
				if err == nil {
					names.Store(to[0].Once, placed[0])
				}
				return placed, err
			}}
		}),
	}, {
		name:   "loses a flag on its way to the disk",
		breaks: []string{"everything is there after Close"},
		mailbox: inMailbox(badMailbox{scan: mapped(func(msg *store.Message) {
			msg.Flags = slices.DeleteFunc(slices.Clone(msg.Flags), func(f store.Flag) bool { return f == "$Later" })
		})}),
	}, {
		name:   "counts from the start after Close",
		breaks: []string{"numbers go on after Close"},
		account: inAccount(badAccount{create: func(ctx context.Context, a store.Account, n store.NewMailbox) (store.MailboxInfo, error) {
			info, err := a.Create(ctx, n)
			info.Status.UIDValidity = 1
			return info, err
		}}),
	},
}

// mapped returns a Scan whose messages are changed.
func mapped(change func(*store.Message)) func(context.Context, store.Mailbox, store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(ctx context.Context, m store.Mailbox, q store.ScanQuery) iter.Seq2[store.Message, error] {
		return func(yield func(store.Message, error) bool) {
			for msg, err := range m.Scan(ctx, q) {
				change(&msg)
				if !yield(msg, err) {
					return
				}
			}
		}
	}
}

// changed returns a content with other bytes.
func changed(ctx context.Context, m store.Mailbox, uid store.UID, change func([]byte) []byte) (postrider.Content, error) {
	c, err := m.Content(ctx, uid)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b, err := postrider.ReadAll(c)
	return postrider.Bytes(change(b)), err
}

// without returns a log that lacks one kind of change.
func without(kind store.ChangeKind) func(context.Context, store.Account, store.ModSeq, string) iter.Seq2[store.Change, error] {
	return func(ctx context.Context, a store.Account, since store.ModSeq, id string) iter.Seq2[store.Change, error] {
		return func(yield func(store.Change, error) bool) {
			for c, err := range a.Changes(ctx, since, id) {
				if c.Kind != kind && !yield(c, err) {
					return
				}
			}
		}
	}
}

// seeking is a content with one position for all readers.
type seeking struct {
	postrider.Content
	at atomic.Int64
}

func (s *seeking) ReadAt(b []byte, off int64) (int, error) {
	s.at.Store(off)
	time.Sleep(10 * time.Microsecond)
	return s.Content.ReadAt(b, s.at.Load())
}

// late is a content that looks for the message at each read.
type late struct {
	postrider.Content
	m   store.Mailbox
	uid store.UID
}

func (l *late) ReadAt(b []byte, off int64) (int, error) {
	c, err := l.m.Content(context.Background(), l.uid)
	if err != nil {
		return 0, os.ErrNotExist
	}
	defer c.Close()
	n, err := c.ReadAt(b, off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, err
}

// deaf is an account whose watchers hear nothing.
type deaf struct{ store.Account }

func (deaf) Watch(func()) (stop func()) { return func() {} }
