package resolvetest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve"
)

func TestZoneKeepsThePromises(t *testing.T) {
	Run(t, func(_ *testing.T, z *Zone) resolve.Resolver { return z })
}

// A saboteur breaks promises; the kit must find it out.
type saboteur struct {
	name   string
	breaks []string // beginnings of promises, all of which must be found broken
	wrap   func(*Zone) resolve.Resolver
}

// hook is a Resolver with some methods replaced.
type hook struct {
	*Zone
	before func(context.Context, string) error
	a      func(resolve.Answer[netip.Addr], error) (resolve.Answer[netip.Addr], error)
	cname  func(context.Context, string) (resolve.Answer[string], error)
	mx     func(resolve.Answer[resolve.MX], error) (resolve.Answer[resolve.MX], error)
	txt    func(resolve.Answer[string], error) (resolve.Answer[string], error)
	tlsa   func(resolve.Answer[resolve.TLSA], error) (resolve.Answer[resolve.TLSA], error)
	ptr    func(resolve.Answer[string], error) (resolve.Answer[string], error)
	detach bool
}

func (h *hook) A(ctx context.Context, name string) (resolve.Answer[netip.Addr], error) {
	if h.detach {
		ctx = context.WithoutCancel(ctx)
	}
	if h.before != nil {
		if err := h.before(ctx, name); err != nil {
			return resolve.Answer[netip.Addr]{}, err
		}
	}
	a, err := h.Zone.A(ctx, name)
	if h.a != nil {
		return h.a(a, err)
	}
	return a, err
}

func (h *hook) CNAME(ctx context.Context, name string) (resolve.Answer[string], error) {
	if h.cname != nil {
		return h.cname(ctx, name)
	}
	return h.Zone.CNAME(ctx, name)
}

func (h *hook) MX(ctx context.Context, name string) (resolve.Answer[resolve.MX], error) {
	if h.before != nil {
		if err := h.before(ctx, name); err != nil {
			return resolve.Answer[resolve.MX]{}, err
		}
	}
	a, err := h.Zone.MX(ctx, name)
	if h.mx != nil {
		return h.mx(a, err)
	}
	return a, err
}

func (h *hook) TXT(ctx context.Context, name string) (resolve.Answer[string], error) {
	a, err := h.Zone.TXT(ctx, name)
	if h.txt != nil {
		return h.txt(a, err)
	}
	return a, err
}

func (h *hook) TLSA(ctx context.Context, name string) (resolve.Answer[resolve.TLSA], error) {
	a, err := h.Zone.TLSA(ctx, name)
	if h.tlsa != nil {
		return h.tlsa(a, err)
	}
	return a, err
}

func (h *hook) PTR(ctx context.Context, addr netip.Addr) (resolve.Answer[string], error) {
	a, err := h.Zone.PTR(ctx, addr)
	if h.ptr != nil {
		return h.ptr(a, err)
	}
	return a, err
}

// onA makes a saboteur of the A answers.
func onA(change func(*resolve.Answer[netip.Addr])) func(*Zone) resolve.Resolver {
	return func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, a: func(a resolve.Answer[netip.Addr], err error) (resolve.Answer[netip.Addr], error) {
			change(&a)
			return a, err
		}}
	}
}

// onMX makes a saboteur of the MX answers.
func onMX(change func(*resolve.Answer[resolve.MX], error) error) func(*Zone) resolve.Resolver {
	return func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, mx: func(a resolve.Answer[resolve.MX], err error) (resolve.Answer[resolve.MX], error) {
			err = change(&a, err)
			return a, err
		}}
	}
}

// onKind makes a saboteur that mistakes one kind of error for another.
func onKind(from, to resolve.Kind) func(*Zone) resolve.Resolver {
	mistake := func(err error) error {
		if e, ok := err.(*resolve.Error); ok && e.Kind == from {
			e.Kind = to
		}
		return err
	}
	return func(z *Zone) resolve.Resolver {
		return &hook{
			Zone: z,
			a: func(a resolve.Answer[netip.Addr], err error) (resolve.Answer[netip.Addr], error) {
				return a, mistake(err)
			},
			mx: func(a resolve.Answer[resolve.MX], err error) (resolve.Answer[resolve.MX], error) {
				return a, mistake(err)
			},
		}
	}
}

var saboteurs = []saboteur{
	{"mixes the families", []string{"addresses"}, onA(func(a *resolve.Answer[netip.Addr]) {
		a.Records = append(a.Records, ip("2001:db8::11"))
	})},
	{"forgets preferences", []string{"MX has"}, onMX(func(a *resolve.Answer[resolve.MX], err error) error {
		for i := range a.Records {
			a.Records[i].Preference = 0
		}
		return err
	})},
	{"takes the null MX for none", []string{"the null MX"}, onMX(func(a *resolve.Answer[resolve.MX], err error) error {
		if resolve.IsNullMX(a.Records) {
			return &resolve.Error{Kind: resolve.NoData}
		}
		return err
	})},
	{"joins texts with a blank", []string{"TXT"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, txt: func(a resolve.Answer[string], err error) (resolve.Answer[string], error) {
			for i := range a.Records {
				a.Records[i] = strings.Replace(a.Records[i], "-all", " -all", 1)
			}
			return a, err
		}}
	}},
	{"forgets the TLSA data", []string{"TLSA"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, tlsa: func(a resolve.Answer[resolve.TLSA], err error) (resolve.Answer[resolve.TLSA], error) {
			for i := range a.Records {
				a.Records[i].Data = nil
			}
			return a, err
		}}
	}},
	{"leaves the final dot on names", []string{"PTR", "names in answers"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, ptr: func(a resolve.Answer[string], err error) (resolve.Answer[string], error) {
			for i := range a.Records {
				a.Records[i] += "."
			}
			return a, err
		}}
	}},
	{"searches in its own domain", []string{"a name that does not exist"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, mx: func(a resolve.Answer[resolve.MX], err error) (resolve.Answer[resolve.MX], error) {
			if resolve.IsNotFound(err) {
				return z.MX(context.Background(), "plain.test")
			}
			return a, err
		}}
	}},
	{"minds the case", []string{"names are absolute"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, before: func(_ context.Context, name string) error {
			if name != strings.ToLower(name) {
				return &resolve.Error{Kind: resolve.NXDomain}
			}
			return nil
		}}
	}},
	{"takes wrong names for missing ones", []string{"names that no message"}, onKind(resolve.Invalid, resolve.NXDomain)},
	{"forgets where aliases led", []string{"aliases are followed"}, onA(func(a *resolve.Answer[netip.Addr]) {
		a.Name = "alias.plain.test"
	})},
	{"follows from CNAME", []string{"CNAME returns"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, cname: func(ctx context.Context, name string) (resolve.Answer[string], error) {
			a, err := z.CNAME(ctx, name)
			for err == nil {
				var next resolve.Answer[string]
				if next, err = z.CNAME(ctx, a.Records[0]); err == nil {
					a = next
				}
			}
			return a, nil
		}}
	}},
	{"takes temporary failures for missing names", []string{"a failing server", "silence", "a loop of aliases", "the end of the context"}, onKind(resolve.Temporary, resolve.NXDomain)},
	{"takes missing names for failures", []string{"a name that does not exist"}, onKind(resolve.NXDomain, resolve.Temporary)},
	{"takes missing records for missing names", []string{"a name without records", "a wildcard"}, onKind(resolve.NoData, resolve.NXDomain)},
	{"takes bogus for absent", []string{"a disproved answer"}, onKind(resolve.Bogus, resolve.NoData)},
	{"says nothing in errors", []string{"an error tells"}, onMX(func(_ *resolve.Answer[resolve.MX], err error) error {
		if e, ok := err.(*resolve.Error); ok {
			e.Name, e.Type = "", ""
		}
		return err
	})},
	{"vouches for everything", []string{"only what DNSSEC", "an alias that nobody"}, func(z *Zone) resolve.Resolver {
		z.SetAuthentic(".", true)
		return z
	}},
	{"vouches for addresses alone", []string{"only what DNSSEC"}, onMX(func(a *resolve.Answer[resolve.MX], err error) error {
		a.Authentic = false
		return err
	})},
	{"knows its own TTL", []string{"TTL"}, onA(func(a *resolve.Answer[netip.Addr]) { a.TTL = time.Hour })},
	{"cuts large answers", []string{"a large answer"}, onA(func(a *resolve.Answer[netip.Addr]) {
		a.Records = a.Records[:min(len(a.Records), 30)]
	})},
	{"shares its cache with callers", []string{"an answer belongs"}, func(z *Zone) resolve.Resolver {
		var mu sync.Mutex
		cached := make(map[string]resolve.Answer[resolve.MX])
		return &hook{Zone: z, mx: func(a resolve.Answer[resolve.MX], err error) (resolve.Answer[resolve.MX], error) {
			mu.Lock()
			defer mu.Unlock()
			if old, ok := cached[a.Name]; ok && err == nil {
				return old, nil
			}
			cached[a.Name] = a
			return a, err
		}}
	}},
	{"does not hear the context", []string{"the end of the context"}, func(z *Zone) resolve.Resolver {
		return &hook{Zone: z, detach: true}
	}},
	{"lets the first caller's context end all", []string{"the end of one caller"}, func(z *Zone) resolve.Resolver {
		var once sync.Once
		failed := make(chan struct{})
		return &hook{Zone: z, before: func(ctx context.Context, name string) error {
			if name != "slow.plain.test" {
				return nil
			}
			context.AfterFunc(ctx, func() { once.Do(func() { close(failed) }) })
			select {
			case <-failed:
				return errors.New("somebody hung up")
			case <-time.After(10 * time.Second): // never, as long as one context ends
				return nil
			}
		}}
	}},
	{"knows one question at a time", []string{"many goroutines"}, func(z *Zone) resolve.Resolver {
		var busy sync.Mutex
		return &hook{Zone: z, before: func(context.Context, string) error {
			if !busy.TryLock() {
				return errors.New("busy")
			}
			defer busy.Unlock()
			time.Sleep(time.Millisecond)
			return nil
		}}
	}},
}

func TestTheKitFindsEachSaboteur(t *testing.T) {
	var mu sync.Mutex
	found := make(map[string]bool)
	t.Run("saboteurs", func(t *testing.T) {
		for _, s := range saboteurs {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				broken := brokenPromises(s.wrap)
				mu.Lock()
				defer mu.Unlock()
				for _, begin := range s.breaks {
					i := slices.IndexFunc(broken, func(name string) bool { return strings.HasPrefix(name, begin) })
					if i < 0 {
						t.Errorf("the promise %q was found kept; broken: %q", begin, broken)
						continue
					}
					found[broken[i]] = true
				}
			})
		}
	})
	for _, p := range promises {
		if !found[p.name] {
			t.Errorf("no saboteur breaks %q", p.name)
		}
	}
}

func brokenPromises(wrap func(*Zone) resolve.Resolver) []string {
	broken := make([]string, len(promises))
	var wg sync.WaitGroup
	for i, p := range promises {
		wg.Go(func() {
			z := kitZone()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if p.check(ctx, wrap(z), z) != nil {
				broken[i] = p.name
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(broken, func(name string) bool { return name == "" })
}
