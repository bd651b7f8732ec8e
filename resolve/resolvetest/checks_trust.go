package resolvetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postrider/postrider/resolve"
)

// vouches reports whether r says Authentic at all.
func vouches(ctx context.Context, r resolve.Resolver) bool {
	a, err := r.A(ctx, "mx.secure.test")
	return err == nil && a.Authentic
}

func checkAuthentic(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	plain, err := r.MX(ctx, "plain.test")
	_, errPlain := r.MX(ctx, "mx1.plain.test")
	if err != nil {
		return err
	}
	if plain.Authentic || absenceAuthentic(errPlain) {
		return errors.New("an unsigned answer is authentic")
	}
	if !vouches(ctx, r) {
		return nil
	}
	secure, err := r.MX(ctx, "secure.test")
	ptr, errPTR := r.PTR(ctx, ip("198.51.100.25"))
	_, errNoData := r.TXT(ctx, "secure.test")
	_, errNXDomain := r.MX(ctx, "nowhere.secure.test")
	if err := first(err, errPTR); err != nil {
		return err
	}
	if !secure.Authentic || !ptr.Authentic || !absenceAuthentic(errNoData) || !absenceAuthentic(errNXDomain) {
		return fmt.Errorf("Authentic is %t for MX, %t for PTR, %t for NoData, %t for NXDomain, want true",
			secure.Authentic, ptr.Authentic, absenceAuthentic(errNoData), absenceAuthentic(errNXDomain))
	}
	return nil
}

func absenceAuthentic(err error) bool {
	e, ok := errors.AsType[*resolve.Error](err)
	return ok && e.Authentic
}

// RFC 7672 §2.1.3: one insecure link and all that follows is insecure.
func checkAuthenticAlias(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	for _, name := range []string{"half.secure.test", "half.plain.test"} {
		a, err := r.A(ctx, name)
		if err != nil || a.Authentic {
			return fmt.Errorf("%s: Authentic is %t, error %v", name, a.Authentic, err)
		}
	}
	whole, err := r.A(ctx, "whole.secure.test")
	alias, errAlias := r.CNAME(ctx, "half.secure.test")
	if err := first(err, errAlias); err != nil {
		return err
	}
	if vouches(ctx, r) && (!whole.Authentic || !alias.Authentic) {
		return fmt.Errorf("Authentic is %t for a signed chain, %t for its first alias", whole.Authentic, alias.Authentic)
	}
	return nil
}

func checkTTL(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.A(ctx, "mx1.plain.test")
	alias, errAlias := r.A(ctx, "alias.plain.test")
	if err := first(err, errAlias); err != nil {
		return err
	}
	_, errNone := r.MX(ctx, "mx1.plain.test")
	none, ok := errors.AsType[*resolve.Error](errNone)
	if !ok {
		return fmt.Errorf("the error is %w", errNone)
	}
	for _, c := range []struct {
		what        string
		ttl, atMost time.Duration
	}{
		{"addresses", a.TTL, 300 * time.Second},
		{"an alias of 120 seconds", alias.TTL, 120 * time.Second},
		{"the absence of MX", none.TTL, 60 * time.Second}, // RFC 2308 §5
	} {
		if c.ttl < 0 || c.ttl > c.atMost {
			return fmt.Errorf("TTL of %s is %v, want at most %v", c.what, c.ttl, c.atMost)
		}
	}
	return nil
}

func checkOwnership(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	mx, err := r.MX(ctx, "plain.test")
	tlsa, errTLSA := r.TLSA(ctx, "_25._tcp.mx1.plain.test")
	if err := first(err, errTLSA); err != nil {
		return err
	}
	clear(mx.Records)
	for _, t := range tlsa.Records {
		clear(t.Data)
	}
	return first(checkMX(ctx, r, nil), checkTLSA(ctx, r, nil))
}

func checkConcurrent(ctx context.Context, r resolve.Resolver, z *Zone) error {
	checks := []func(context.Context, resolve.Resolver, *Zone) error{
		checkMX, checkTXT, checkAliases, checkNXDomain, checkNoData, checkWildcard, checkLarge,
	}
	errs := make([]error, 8*len(checks))
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = checks[i%len(checks)](ctx, r, z) })
	}
	wg.Wait()
	return first(errs...)
}
