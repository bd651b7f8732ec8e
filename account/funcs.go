package account

import (
	"context"

	"github.com/postrider/postrider"
)

// Funcs makes a [Directory] of functions, for accounts that live in the
// application. Each function keeps the promises of the Directory's method of its
// name. A nil one knows nobody.
type Funcs struct {
	ResolveFunc func(ctx context.Context, addr postrider.Address) (account string, err error)
	VerifyFunc  func(ctx context.Context, login, password string) (account string, err error)
}

// Resolve implements [Directory].
func (f Funcs) Resolve(ctx context.Context, addr postrider.Address) (string, error) {
	if f.ResolveFunc == nil {
		return "", ErrNotExist
	}
	return f.ResolveFunc(ctx, addr)
}

// Verify implements [Directory].
func (f Funcs) Verify(ctx context.Context, login, password string) (string, error) {
	if f.VerifyFunc == nil {
		return "", ErrCredentials
	}
	return f.VerifyFunc(ctx, login, password)
}
