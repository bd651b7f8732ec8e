package account

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// An Authenticator is the one place where clients log in, for all protocols: it
// runs SASL exchanges and checks passwords against a [Directory], and counts
// failures. One Authenticator may be shared by any number of servers and
// goroutines, so that a guesser finds no second chance on another port. It must
// not be copied, nor its fields changed, once it is in use.
type Authenticator struct {
	// Directory says whose passwords are right. Required.
	Directory Directory
	// Limits bounds failed logins. The zero value is a sensible choice.
	Limits Limits
	// Logger receives an "auth" line for each login, failed or not. Nil means
	// slog.Default. Secrets are never logged.
	Logger *slog.Logger

	once  sync.Once
	guard *guard // set by once; nil before
}

// limits returns the counters of failed logins.
func (a *Authenticator) limits() *guard {
	a.once.Do(func() { a.guard = newGuard(a.Limits) })
	return a.guard
}

// Password logs in with a name and a password, for IMAP's LOGIN and POP3's USER
// and PASS. It returns ErrEncryption, ErrTooMany, ErrCredentials, ErrDisabled, or an
// error of the Directory's, which is temporary.
func (a *Authenticator) Password(ctx context.Context, peer Peer, login, password string) (Identity, error) {
	if !peer.secure() {
		return Identity{}, ErrEncryption
	}
	return a.login(ctx, peer, passwordLogin{mechanism: "password", login: login, password: password})
}

// A passwordLogin is what a client sent to log in by a password. The identity is
// the authorization identity, empty for none.
type passwordLogin struct {
	mechanism, identity, login, password string
}

// login checks p, counts it and logs it.
func (a *Authenticator) login(ctx context.Context, peer Peer, p passwordLogin) (Identity, error) {
	start := time.Now()
	account, err := a.check(ctx, peer, p)
	a.log(ctx, peer, p, account, err, time.Since(start))
	if err != nil {
		return Identity{}, err
	}
	return Identity{Account: account, Login: p.login, Mechanism: p.mechanism}, nil
}

// check returns the account whose password p holds, once the limits allow the question.
func (a *Authenticator) check(ctx context.Context, peer Peer, p passwordLogin) (string, error) {
	if a.Directory == nil {
		return "", errors.New("authenticator without a directory")
	}
	login, errLogin := PrepareLogin(p.login)
	password, errPassword := PreparePassword(p.password)
	attempt, err := a.limits().begin(ctx, peer.Addr, login, password)
	if err != nil {
		return "", err
	}
	defer attempt.end()
	if errLogin != nil || errPassword != nil {
		attempt.fail()
		return "", ErrCredentials
	}
	account, err := a.Directory.Verify(ctx, login, password)
	switch {
	case err == nil && mayActAs(p.identity, login, account):
		attempt.succeed()
		return account, nil
	case err == nil || errors.Is(err, ErrCredentials):
		attempt.fail()
		return "", ErrCredentials
	case errors.Is(err, ErrDisabled):
		return "", ErrDisabled
	}
	return "", err
}

// mayActAs reports whether whoever logged in may act as identity, the
// authorization identity of RFC 4422 §3.4.1: only as themselves, by their login or
// by the name of their account.
func mayActAs(identity, login, account string) bool {
	if identity == "" || identity == account {
		return true
	}
	prepared, err := PrepareLogin(identity)
	return err == nil && prepared == login
}

func (a *Authenticator) log(ctx context.Context, peer Peer, p passwordLogin, account string, err error, took time.Duration) {
	logger := a.Logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs := []slog.Attr{
		slog.String("protocol", peer.Protocol),
		slog.String("remote", peer.Addr.String()),
		slog.String("mechanism", p.mechanism),
		slog.String("login", clip(p.login)),
		slog.Duration("took", took),
	}
	level := slog.LevelInfo
	switch {
	case err == nil:
		attrs = append(attrs, slog.String("account", account))
	case isRefusal(err):
		attrs = append(attrs, slog.Any("err", err))
	default:
		level = slog.LevelError
		attrs = append(attrs, slog.Any("err", err))
	}
	logger.LogAttrs(ctx, level, "auth", attrs...)
}

// isRefusal reports whether err is one of the everyday answers to a login, and
// not a fault of ours.
func isRefusal(err error) bool {
	for _, e := range []error{ErrCredentials, ErrDisabled, ErrTooMany, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// clip shortens what a stranger sent to a length fit for the log.
func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "..."
	}
	return s
}
