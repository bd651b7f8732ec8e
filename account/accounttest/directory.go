package accounttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postrider/postrider/account"
)

var directoryPromises = []promise[account.Directory]{
	{"an address belongs to the account that has it, its domain in any case and in either form", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			resolve(ctx, d, "Ann@example.org", "ann", nil),
			resolve(ctx, d, "Ann@EXAMPLE.org", "ann", nil),
			resolve(ctx, d, "sales@b\u00fccher.example", "ann", nil),
			resolve(ctx, d, "sales@xn--bcher-kva.example", "ann", nil),
			resolve(ctx, d, "bob@example.org", "bob@example.org", nil),
			resolve(ctx, d, "zo\u00eb@example.org", "zoe", nil),
		)
	}},
	{"an address that nobody has does not exist", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			resolve(ctx, d, "nobody@example.org", "", account.ErrNotExist),
			resolve(ctx, d, "ann@example.net", "", account.ErrNotExist),
			resolve(ctx, d, "ann", "", account.ErrNotExist), // a name is no address
		)
	}},
	{"the null path belongs to nobody", func(ctx context.Context, d account.Directory) error {
		return resolve(ctx, d, "", "", account.ErrNotExist)
	}},
	{"a disabled account still gets its mail", func(ctx context.Context, d account.Directory) error {
		return resolve(ctx, d, "zo\u00eb@example.org", "zoe", nil)
	}},
	{"the right password of a login returns its account", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			verify(ctx, d, "ann", annPassword, "ann", nil),
			verify(ctx, d, "bob@example.org", bobPassword, "bob@example.org", nil),
		)
	}},
	{"a wrong password is ErrCredentials, also right after the right one", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			verify(ctx, d, "ann", bobPassword, "", account.ErrCredentials),
			verify(ctx, d, "ann", annPassword, "ann", nil),
			verify(ctx, d, "ann", annPassword+" ", "", account.ErrCredentials),
			verify(ctx, d, "ann", "Correct horse", "", account.ErrCredentials),
		)
	}},
	{"no account has the empty password", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			verify(ctx, d, "ann", "", "", account.ErrCredentials),
			verify(ctx, d, "nobody", "", "", account.ErrCredentials),
		)
	}},
	{"an unknown login is ErrCredentials, as a wrong password is", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			verify(ctx, d, "nobody", annPassword, "", account.ErrCredentials),
			verify(ctx, d, "", annPassword, "", account.ErrCredentials),
		)
	}},
	{"a disabled account is ErrDisabled with the right password only", func(ctx context.Context, d account.Directory) error {
		return errors.Join(
			verify(ctx, d, "zoe", zoePassword, "", account.ErrDisabled),
			verify(ctx, d, "zoe", annPassword, "", account.ErrCredentials),
		)
	}},
	{"an unknown login costs what a wrong password costs", costsTheSame},
	{"many may ask at once", func(ctx context.Context, d account.Directory) error {
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Go(func() {
				errs[i] = errors.Join(
					verify(ctx, d, "ann", annPassword, "ann", nil),
					verify(ctx, d, "ann", bobPassword, "", account.ErrCredentials),
					resolve(ctx, d, "bob@example.org", "bob@example.org", nil),
				)
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}},
	{"a cancelled context is its own error, never a verdict", func(ctx context.Context, d account.Directory) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := d.Verify(ctx, "nobody", annPassword); err == nil || errors.Is(err, account.ErrDisabled) {
			return fmt.Errorf("Verify with a cancelled context = %v", err)
		}
		if _, err := d.Verify(ctx, "ann", annPassword); errors.Is(err, account.ErrCredentials) || errors.Is(err, account.ErrDisabled) {
			return fmt.Errorf("Verify of the right password with a cancelled context = %v", err)
		}
		return nil
	}},
}

// costsTheSame compares the least times of a few tries by turns, since noise only adds and comes and goes. The
// bounds are wide: what it finds is a Directory that looks the login up and returns.
func costsTheSame(ctx context.Context, d account.Directory) error {
	known, unknown := time.Hour, time.Hour
	for i := range 20 {
		for login, best := range map[string]*time.Duration{"ann": &known, "nobody": &unknown} {
			start := time.Now()
			if err := verify(ctx, d, login, fmt.Sprint("wrong ", i), "", account.ErrCredentials); err != nil {
				return err
			}
			*best = min(*best, time.Since(start))
		}
		if i >= 4 && (known <= time.Millisecond || unknown >= known/4) {
			return nil
		}
	}
	return fmt.Errorf("a wrong password takes %v, an unknown login %v: strangers learn who has an account", known, unknown)
}
