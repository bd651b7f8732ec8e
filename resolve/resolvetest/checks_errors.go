package resolvetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/resolve"
)

// wantKind returns an error unless err is a *resolve.Error of this kind.
func wantKind(err error, kind resolve.Kind) error {
	if err == nil {
		return fmt.Errorf("an answer, want the error %q", kind)
	}
	if got := resolve.KindOf(err); got != kind {
		return fmt.Errorf("the error is %q (%w), want %q", got, err, kind)
	}
	if _, ok := errors.AsType[*resolve.Error](err); !ok && kind != resolve.Temporary {
		return fmt.Errorf("the error %w is no *resolve.Error", err)
	}
	return nil
}

func checkAliasLoop(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	_, err := r.A(ctx, "loop1.plain.test")
	return wantKind(err, resolve.Temporary)
}

func checkNXDomain(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	for _, name := range []string{"nowhere.plain.test", "a.nowhere.plain.test", "dangling.plain.test", "elsewhere"} {
		_, err := r.MX(ctx, name)
		_, again := r.A(ctx, name)
		if err := first(wantKind(err, resolve.NXDomain), wantKind(again, resolve.NXDomain)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !resolve.IsNotFound(err) || resolve.IsTemporary(err) {
			return fmt.Errorf("%s: IsNotFound %t, IsTemporary %t", name, resolve.IsNotFound(err), resolve.IsTemporary(err))
		}
	}
	return nil
}

func checkNoData(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	// deep.plain.test exists only because a.deep.plain.test does (RFC 8020 §3.1).
	for _, name := range []string{"mx1.plain.test", "deep.plain.test", "nodata.plain.test", "txt.plain.test"} {
		_, err := r.MX(ctx, name)
		if err := wantKind(err, resolve.NoData); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !resolve.IsNotFound(err) || resolve.IsTemporary(err) {
			return fmt.Errorf("%s: IsNotFound %t, IsTemporary %t", name, resolve.IsNotFound(err), resolve.IsTemporary(err))
		}
	}
	return nil
}

func checkWildcard(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	a, err := r.MX(ctx, "x.y.wild.plain.test")
	_, errType := r.A(ctx, "x.y.wild.plain.test")
	_, errThere := r.MX(ctx, "is.wild.plain.test")
	_, errBelow := r.MX(ctx, "x.is.wild.plain.test")
	if err := want(a, err, resolve.MX{Host: "mx1.plain.test", Preference: 5}); err != nil {
		return err
	}
	if a.Name != "x.y.wild.plain.test" {
		return fmt.Errorf("Name is %q, want the name asked for", a.Name)
	}
	return first(
		wantKind(errType, resolve.NoData),
		wantKind(errThere, resolve.NoData),
		wantKind(errBelow, resolve.NXDomain),
	)
}

func checkServFail(ctx context.Context, r resolve.Resolver, z *Zone) error {
	for _, f := range []Fault{ServFail, Refused, Referral, Malformed} {
		name := fmt.Sprintf("f%d.fails.plain.test", f)
		z.Fail(name, "", f)
		_, err := r.MX(ctx, name)
		if err := wantKind(err, resolve.Temporary); err != nil {
			return fmt.Errorf("fault %d: %w", f, err)
		}
		if !resolve.IsTemporary(err) || resolve.IsNotFound(err) {
			return fmt.Errorf("IsTemporary %t, IsNotFound %t", resolve.IsTemporary(err), resolve.IsNotFound(err))
		}
	}
	return nil
}

func checkDrop(ctx context.Context, r resolve.Resolver, z *Zone) error {
	z.Fail("fails.plain.test", "", Drop)
	_, err := r.A(ctx, "fails.plain.test")
	return wantKind(err, resolve.Temporary)
}

func checkBogus(ctx context.Context, r resolve.Resolver, z *Zone) error {
	z.Fail("fails.plain.test", "A", Bogus)
	_, err := r.A(ctx, "fails.plain.test")
	if err := wantKind(err, resolve.Bogus); err != nil {
		return err
	}
	if !resolve.IsTemporary(err) || !resolve.IsBogus(err) {
		return fmt.Errorf("IsTemporary %t, IsBogus %t", resolve.IsTemporary(err), resolve.IsBogus(err))
	}
	_, err = r.MX(ctx, "fails.plain.test")
	return wantKind(err, resolve.NoData)
}

func checkErrorWords(ctx context.Context, r resolve.Resolver, _ *Zone) error {
	_, err := r.MX(ctx, "nowhere.plain.test")
	e, ok := errors.AsType[*resolve.Error](err)
	if !ok || e.Name != "nowhere.plain.test" || e.Type != "MX" {
		return fmt.Errorf("the error is %#v", err)
	}
	return nil
}

// slowness is longer than any caller waits here, and shorter than common timeouts.
const slowness = 2 * time.Second

func checkCancel(ctx context.Context, r resolve.Resolver, z *Zone) error {
	z.Delay("slow.plain.test", slowness)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := r.A(ctx, "slow.plain.test")
	took := time.Since(begun)
	ended, stop := context.WithCancel(context.Background())
	stop()
	_, errEnded := r.A(ended, "plain.test")
	if err := first(wantKind(err, resolve.Temporary), wantKind(errEnded, resolve.Temporary)); err != nil {
		return err
	}
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(errEnded, context.Canceled) {
		return fmt.Errorf("errors %w and %w do not wrap the context's", err, errEnded)
	}
	if took > slowness/2 {
		return fmt.Errorf("it took %v after the context's end", took)
	}
	return nil
}

func checkCancelOther(ctx context.Context, r resolve.Resolver, z *Zone) error {
	z.Delay("slow.plain.test", 200*time.Millisecond)
	hasty, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := r.A(hasty, "slow.plain.test")
		done <- err
	}()
	a, err := r.A(ctx, "slow.plain.test")
	return first(want(a, err, ip("192.0.2.41")), wantKind(<-done, resolve.Temporary))
}
