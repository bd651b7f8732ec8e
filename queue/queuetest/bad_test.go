package queuetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// A bad queue breaks a promise where a function says so.
type bad struct {
	queue.Queue
	put     func(queue.Queue, []queue.Submission) ([]queue.ID, error)
	claim   func(queue.Queue, queue.ClaimQuery) ([]queue.Claim, error)
	renew   func(queue.Queue, queue.Token, time.Duration) error
	settle  func(queue.Queue, queue.Token, []queue.Outcome, []queue.Submission) error
	update  func(queue.Queue, queue.Filter, queue.Change) (int, error)
	content func(queue.Queue, queue.ID) (postrider.Content, error)
	next    func(queue.Queue, []queue.Hop) (time.Time, error)
	entries func(queue.Queue, queue.Filter) iter.Seq2[queue.Entry, error]
	closing func(queue.Queue) error
	deaf    bool // to contexts
	mute    bool // tells nobody
}

func (b *bad) context(ctx context.Context) context.Context {
	if b.deaf {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

func (b *bad) Put(ctx context.Context, subs ...queue.Submission) ([]queue.ID, error) {
	if b.put != nil && ctx.Err() == nil {
		return b.put(b.Queue, subs)
	}
	return b.Queue.Put(b.context(ctx), subs...)
}

func (b *bad) Claim(ctx context.Context, q queue.ClaimQuery) ([]queue.Claim, error) {
	if b.claim != nil && ctx.Err() == nil {
		return b.claim(b.Queue, q)
	}
	return b.Queue.Claim(b.context(ctx), q)
}

func (b *bad) Renew(ctx context.Context, t queue.Token, d time.Duration) error {
	if b.renew != nil && ctx.Err() == nil {
		return b.renew(b.Queue, t, d)
	}
	return b.Queue.Renew(b.context(ctx), t, d)
}

func (b *bad) Settle(ctx context.Context, t queue.Token, o []queue.Outcome, r ...queue.Submission) error {
	if b.settle != nil && ctx.Err() == nil {
		return b.settle(b.Queue, t, o, r)
	}
	return b.Queue.Settle(b.context(ctx), t, o, r...)
}

func (b *bad) Update(ctx context.Context, f queue.Filter, c queue.Change) (int, error) {
	if b.update != nil && ctx.Err() == nil {
		return b.update(b.Queue, f, c)
	}
	return b.Queue.Update(b.context(ctx), f, c)
}

func (b *bad) Content(ctx context.Context, id queue.ID) (postrider.Content, error) {
	if b.content != nil && ctx.Err() == nil {
		return b.content(b.Queue, id)
	}
	return b.Queue.Content(b.context(ctx), id)
}

func (b *bad) NextDue(ctx context.Context, except ...queue.Hop) (time.Time, error) {
	if b.next != nil && ctx.Err() == nil {
		return b.next(b.Queue, except)
	}
	return b.Queue.NextDue(b.context(ctx), except...)
}

func (b *bad) Entries(ctx context.Context, f queue.Filter) iter.Seq2[queue.Entry, error] {
	if b.entries != nil && ctx.Err() == nil {
		return b.entries(b.Queue, f)
	}
	return b.Queue.Entries(b.context(ctx), f)
}

func (b *bad) Close() error {
	if b.closing != nil {
		return b.closing(b.Queue)
	}
	return b.Queue.Close()
}

func (b *bad) Notify(due func()) func() {
	if b.mute {
		return func() {}
	}
	stop := b.Queue.(queue.Notifier).Notify(due)
	return stop
}

var ctx = context.Background()

// changeEntries returns a queue that lists something else than it has.
func changeEntries(change func(*queue.Entry)) *bad {
	return &bad{entries: func(q queue.Queue, f queue.Filter) iter.Seq2[queue.Entry, error] {
		return func(yield func(queue.Entry, error) bool) {
			for e, err := range q.Entries(ctx, f) {
				change(&e)
				if !yield(e, err) {
					return
				}
			}
		}
	}}
}

// changeOutcomes returns a queue that records something else than it was told.
func changeOutcomes(change func(*queue.Outcome)) *bad {
	return &bad{settle: func(q queue.Queue, t queue.Token, list []queue.Outcome, reports []queue.Submission) error {
		list = slices.Clone(list)
		for i := range list {
			change(&list[i])
		}
		return q.Settle(ctx, t, list, reports...)
	}}
}

// changeFilter returns a queue that forgets part of a filter in Update.
func changeFilter(change func(*queue.Filter)) *bad {
	return &bad{update: func(q queue.Queue, f queue.Filter, c queue.Change) (int, error) {
		change(&f)
		return q.Update(ctx, f, c)
	}}
}

// badQueues says of each deliberately broken queue which promises must catch it.
func badQueues() map[string]struct {
	make   func() *bad
	caught []string
} {
	type entry = struct {
		make   func() *bad
		caught []string
	}
	return map[string]entry{
		"puts one by one": {func() *bad {
			return &bad{put: func(q queue.Queue, subs []queue.Submission) (ids []queue.ID, err error) {
				for _, s := range subs {
					id, err := q.Put(ctx, s)
					if err != nil {
						return nil, err
					}
					ids = append(ids, id...)
				}
				return ids, nil
			}}
		}, []string{"PutIsAllOrNone"}},
		"returns IDs in another order": {func() *bad {
			return &bad{put: func(q queue.Queue, subs []queue.Submission) ([]queue.ID, error) {
				ids, err := q.Put(ctx, subs...)
				slices.Reverse(ids)
				return ids, err
			}}
		}, []string{"PutReturnsIDsInOrder"}},
		"ignores NotBefore": {func() *bad {
			return &bad{put: func(q queue.Queue, subs []queue.Submission) ([]queue.ID, error) {
				subs = slices.Clone(subs)
				for i := range subs {
					subs[i].NotBefore = time.Time{}
				}
				return q.Put(ctx, subs...)
			}}
		}, []string{"ClaimNothingBeforeItIsDue", "ClaimTakesThoseDueFirstFirst"}},
		"ignores Held": {func() *bad {
			return &bad{put: func(q queue.Queue, subs []queue.Submission) ([]queue.ID, error) {
				subs = slices.Clone(subs)
				for i := range subs {
					subs[i].Held = false
				}
				return q.Put(ctx, subs...)
			}}
		}, []string{"ClaimNothingHeld"}},
		"mends line ends": {func() *bad {
			return &bad{put: func(q queue.Queue, subs []queue.Submission) ([]queue.ID, error) {
				subs = slices.Clone(subs)
				for i := range subs {
					b, err := postrider.ReadAll(subs[i].Content)
					if err != nil {
						return nil, err
					}
					text := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
					subs[i].Content = postrider.String(text)
				}
				return q.Put(ctx, subs...)
			}}
		}, []string{"ContentIsExact"}},
		"forgets ORCPT": {func() *bad {
			return changeEntries(func(e *queue.Entry) { e.Original.Raw = "" })
		}, []string{"EveryFieldIsKept"}},
		"takes AUTH=<> for no AUTH": {func() *bad {
			return changeEntries(func(e *queue.Entry) {
				if a := e.Message.Envelope.Auth; a != nil && a.IsNull() {
					e.Message.Envelope.Auth = nil
				}
			})
		}, []string{"EveryFieldIsKept"}},
		"loses the time of the last attempt": {func() *bad {
			return changeEntries(func(e *queue.Entry) { e.LastAttempt = time.Time{} })
		}, []string{"DeferredRecipientsComeBack"}},
		"claims one recipient at a time": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				query.MaxRecipients = 1
				return q.Claim(ctx, query)
			}}
		}, []string{"ClaimGroupsByMessageAndHop", "ClaimLimitsRecipients"}},
		"ignores MaxRecipients": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				query.MaxRecipients = 1000
				return q.Claim(ctx, query)
			}}
		}, []string{"ClaimLimitsRecipients"}},
		"ignores Max": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				query.Max = 1000
				return q.Claim(ctx, query)
			}}
		}, []string{"ClaimTakesThoseDueFirstFirst"}},
		"ignores Busy": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				query.Busy = nil
				return q.Claim(ctx, query)
			}}
		}, []string{"ClaimLimitsHops"}},
		"leases for half the time": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				query.Lease /= 2
				return q.Claim(ctx, query)
			}}
		}, []string{"LeasesExclude", "NextDueTellsWhenToClaim"}},
		"returns claims in another order": {func() *bad {
			return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
				claims, err := q.Claim(ctx, query)
				slices.Reverse(claims)
				return claims, err
			}}
		}, []string{"ClaimTakesThoseDueFirstFirst"}},
		"renews whatever it is given": {func() *bad {
			return &bad{renew: func(q queue.Queue, t queue.Token, d time.Duration) error {
				if err := q.Renew(ctx, t, d); !errors.Is(err, queue.ErrStale) {
					return err
				}
				return nil
			}}
		}, []string{"StaleTokensAreRefused", "MadeUpTokensAreStale", "TokensAreGoodOnce"}},
		"does not renew": {func() *bad {
			return &bad{renew: func(queue.Queue, queue.Token, time.Duration) error { return nil }}
		}, []string{"RenewProlongs"}},
		"keeps reports of stale claims": {func() *bad {
			return &bad{settle: func(q queue.Queue, t queue.Token, list []queue.Outcome, reports []queue.Submission) error {
				err := q.Settle(ctx, t, list, reports...)
				if errors.Is(err, queue.ErrStale) {
					_, putErr := q.Put(ctx, reports...)
					return errors.Join(err, putErr)
				}
				return err
			}}
		}, []string{"StaleTokensAreRefused", "TokensAreGoodOnce", "OneTokenWins"}},
		"puts reports on their own": {func() *bad {
			return &bad{settle: func(q queue.Queue, t queue.Token, list []queue.Outcome, reports []queue.Submission) error {
				if err := q.Settle(ctx, t, list); err != nil {
					return err
				}
				_, err := q.Put(ctx, reports...)
				return err
			}}
		}, []string{"SettleIsAllOrNothing"}},
		"forgets reports": {func() *bad {
			return &bad{settle: func(q queue.Queue, t queue.Token, list []queue.Outcome, _ []queue.Submission) error {
				return q.Settle(ctx, t, list)
			}}
		}, []string{"ReportsCountWithTheOutcomes"}},
		"loses what nobody named": {func() *bad {
			return &bad{settle: func(q queue.Queue, t queue.Token, list []queue.Outcome, reports []queue.Submission) error {
				if err := queue.CheckOutcomes(list); err != nil {
					return err
				}
				list = slices.Clone(list)
				for i := range 3 {
					if !slices.ContainsFunc(list, func(o queue.Outcome) bool { return o.Index == i }) {
						list = append(list, queue.Outcome{Index: i, Result: queue.Delivered})
					}
				}
				return q.Settle(ctx, t, list, reports...)
			}}
		}, []string{"UnnamedRecipientsAreGivenBack"}},
		"takes no result for a delivery": {func() *bad {
			return changeOutcomes(func(o *queue.Outcome) {
				if o.Result == 0 {
					o.Result = queue.Delivered
				}
			})
		}, []string{"SettleIsAllOrNothing"}},
		"takes failures for deferrals": {func() *bad {
			return changeOutcomes(func(o *queue.Outcome) {
				if o.Result == queue.Failed {
					o.Result, o.RetryAt = queue.Deferred, time.Now()
				}
			})
		}, []string{"SettledRecipientsLeave"}},
		"forgets what was said": {func() *bad {
			return changeOutcomes(func(o *queue.Outcome) { o.Status = nil })
		}, []string{"DeferredRecipientsComeBack"}},
		"retries when it pleases": {func() *bad {
			return changeOutcomes(func(o *queue.Outcome) {
				if o.Result == queue.Deferred && !o.RetryAt.IsZero() {
					o.RetryAt = time.Now().Add(30 * time.Minute)
				}
			})
		}, []string{"DeferredRecipientsComeBack"}},
		"ignores the filter's ID":        {func() *bad { return changeFilter(func(f *queue.Filter) { f.ID = "" }) }, []string{"FiltersSelect", "Drop"}},
		"ignores the filter's sender":    {func() *bad { return changeFilter(func(f *queue.Filter) { f.ReversePath = postrider.Address{} }) }, []string{"FiltersSelect"}},
		"ignores the filter's domain":    {func() *bad { return changeFilter(func(f *queue.Filter) { f.Domain = "" }) }, []string{"FiltersSelect"}},
		"ignores the filter's transport": {func() *bad { return changeFilter(func(f *queue.Filter) { f.Transport = "" }) }, []string{"FiltersSelect"}},
		"ignores the filter's next hop":  {func() *bad { return changeFilter(func(f *queue.Filter) { f.NextHop = "" }) }, []string{"FiltersSelect"}},
		"ignores the filter's hold":      {func() *bad { return changeFilter(func(f *queue.Filter) { f.Held = false }) }, []string{"FiltersSelect"}},
		"ignores the filter's time":      {func() *bad { return changeFilter(func(f *queue.Filter) { f.CreatedBefore = time.Time{} }) }, []string{"FiltersSelect"}},
		"compares the filter's domain badly": {func() *bad {
			return changeFilter(func(f *queue.Filter) { f.Domain = strings.ToUpper(f.Domain) + f.Domain })
		}, []string{"FiltersSelect"}},
		"does not hold": {func() *bad {
			return &bad{update: func(q queue.Queue, f queue.Filter, c queue.Change) (int, error) {
				if c == queue.Hold {
					c = queue.Release
				}
				return q.Update(ctx, f, c)
			}}
		}, []string{"HoldAndRelease"}},
		"changes what is leased": {func() *bad {
			leased := map[queue.Token]bool{}
			return &bad{
				claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
					claims, err := q.Claim(ctx, query)
					for _, c := range claims {
						leased[c.Token] = true
					}
					return claims, err
				},
				update: func(q queue.Queue, f queue.Filter, c queue.Change) (int, error) {
					for t := range leased {
						if err := q.Settle(ctx, t, nil); err != nil && !errors.Is(err, queue.ErrStale) {
							return 0, err
						}
					}
					return q.Update(ctx, f, c)
				},
			}
		}, []string{"UpdateLeavesLeasesAlone"}},
		"releases with a retry": {func() *bad {
			return &bad{update: func(q queue.Queue, f queue.Filter, c queue.Change) (int, error) {
				n, err := q.Update(ctx, f, c)
				if c == queue.RetryNow && err == nil {
					_, err = q.Update(ctx, f, queue.Release)
				}
				return n, err
			}}
		}, []string{"RetryNow"}},
		"frees contents with their message": {func() *bad {
			return &bad{content: func(q queue.Queue, id queue.ID) (postrider.Content, error) {
				c, err := q.Content(ctx, id)
				if err != nil {
					return nil, err
				}
				return &leaving{Content: c, q: q, id: id}, nil
			}}
		}, []string{"ContentOutlivesTheMessage"}},
		"does not know its hops": {func() *bad {
			return &bad{next: func(q queue.Queue, _ []queue.Hop) (time.Time, error) { return q.NextDue(ctx) }}
		}, []string{"NextDueTellsWhenToClaim"}},
		"tells a next time when there is none": {func() *bad {
			return &bad{next: func(q queue.Queue, except []queue.Hop) (time.Time, error) {
				next, err := q.NextDue(ctx, except...)
				if next.IsZero() {
					next = time.Now().Add(time.Hour)
				}
				return next, err
			}}
		}, []string{"NextDueTellsWhenToClaim"}},
		"lists the newest first": {func() *bad {
			return &bad{entries: func(q queue.Queue, f queue.Filter) iter.Seq2[queue.Entry, error] {
				return func(yield func(queue.Entry, error) bool) {
					var list []queue.Entry
					for e, err := range q.Entries(ctx, f) {
						if err != nil {
							yield(e, err)
							return
						}
						list = append(list, e)
					}
					for _, e := range slices.Backward(list) {
						if !yield(e, nil) {
							return
						}
					}
				}
			}}
		}, []string{"EntriesByMessageOldestFirst"}},
		"locks the queue while it lists": {func() *bad {
			var mu sync.Mutex
			return &bad{
				entries: func(q queue.Queue, f queue.Filter) iter.Seq2[queue.Entry, error] {
					return func(yield func(queue.Entry, error) bool) {
						mu.Lock()
						defer mu.Unlock()
						q.Entries(ctx, f)(yield)
					}
				},
				update: func(q queue.Queue, f queue.Filter, c queue.Change) (int, error) {
					if !mu.TryLock() {
						return 0, errors.New("deadlock")
					}
					defer mu.Unlock()
					return q.Update(ctx, f, c)
				},
			}
		}, []string{"EntriesWhileTheQueueChanges"}},
		"tells nobody":           {func() *bad { return &bad{mute: true} }, []string{"NotifyTellsWhatIsDue"}},
		"ignores contexts":       {func() *bad { return &bad{deaf: true} }, []string{"CancelledContexts"}},
		"does not close":         {func() *bad { return &bad{closing: func(queue.Queue) error { return nil }} }, []string{"ClosedQueues"}},
		"gives the lease to all": {claimTwice, []string{"RunnersClaimDisjointSets"}},
	}
}

// claimTwice returns a queue that now and then gives the same claim to two runners.
func claimTwice() *bad {
	var mu sync.Mutex
	var last []queue.Claim
	n := 0
	return &bad{claim: func(q queue.Queue, query queue.ClaimQuery) ([]queue.Claim, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%10 == 0 && len(last) > 0 {
			return last, nil
		}
		claims, err := q.Claim(ctx, query)
		last = claims
		return claims, err
	}}
}

// leaving is a content that goes with its message.
type leaving struct {
	postrider.Content
	q  queue.Queue
	id queue.ID
}

func (l *leaving) ReadAt(p []byte, off int64) (int, error) {
	if _, err := l.q.Content(ctx, l.id); err != nil {
		return 0, err
	}
	return l.Content.ReadAt(p, off)
}
