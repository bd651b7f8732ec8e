package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/imap"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/pop3"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/relay"
	"github.com/postrider/postrider/queue/sqlqueue"
	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/sqlstore"
)

// grace is how long sessions may take to finish after a signal.
const grace = 20 * time.Second

// serve opens everything, serves until ctx is cancelled, and closes everything.
func serve(ctx context.Context, s *settings, stdout io.Writer, logger *slog.Logger) (err error) {
	cert, err := s.certificate()
	if err != nil {
		return err
	}
	directory, err := people(ctx, s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.spool(), 0o700); err != nil {
		return err
	}
	mail, err := sqlstore.Open(ctx, filepath.Join(s.data, "mail"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mail.Close()) }()
	out, err := sqlqueue.Open(ctx, filepath.Join(s.data, "queue"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	dns := &resolve.DNS{}
	if s.dns != "" {
		dns.Servers = []string{s.dns}
	}
	defer func() { err = errors.Join(err, dns.Close()) }()
	next := &relay.Transport{Hostname: s.hostname, Resolver: dns, Port: s.smtpPort, Logger: logger}
	defer func() { err = errors.Join(err, next.Close()) }()
	m := &mta.MTA{
		Hostname:   s.hostname,
		Postmaster: s.domains[0],
		Router:     router(s, directory),
		Store:      mail,
		Queue:      out,
		Directory:  directory,
		Logger:     logger,
	}
	runner := &queue.Runner{
		Queue:      out,
		Transports: m.Transports(next),
		Hostname:   s.hostname,
		Route:      m.RouteReport,
		Retry:      queue.Retry{First: s.retry},
		Logger:     logger,
	}
	listeners, err := listen(s, &parts{
		settings: s,
		mta:      m,
		store:    mail,
		auth:     &account.Authenticator{Directory: directory, Logger: logger},
		tls:      &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		logger:   logger,
	})
	if err != nil {
		return err
	}
	announce(stdout, s, listeners)
	return attend(ctx, listeners, runner)
}

// people makes the directory of the accounts that the flags name.
func people(ctx context.Context, s *settings) (*account.Memory, error) {
	directory := &account.Memory{}
	for _, a := range s.accounts {
		if err := directory.Add(ctx, account.Entry{Name: a.address.String(), Password: a.password}); err != nil {
			return nil, fmt.Errorf("-account %s: %w", a.address, err)
		}
	}
	return directory, nil
}

// router is where the mail of this server goes.
func router(s *settings, directory account.Directory) route.Router {
	aliases := map[postrider.Address][]postrider.Address{}
	for _, a := range s.aliases {
		key := route.AliasKey(a.from)
		aliases[key] = append(aliases[key], a.to...)
	}
	rules := []route.Router{
		route.Aliases(aliases),
		route.Subaddress("+", route.Accounts(directory)),
		route.Postmaster(s.accounts[0].address),
	}
	for _, c := range s.catchAll {
		rules = append(rules, route.CatchAll(c.domain, c.to))
	}
	return route.First(route.Domains(s.domains, rules...), route.RelayAuthenticated())
}

// parts are what the servers are made of.
type parts struct {
	settings *settings
	mta      *mta.MTA
	store    store.Store
	auth     *account.Authenticator
	tls      *tls.Config
	logger   *slog.Logger
}

// A server is what smtp.Server, imap.Server and pop3.Server have in common.
type server interface {
	Serve(ctx context.Context, l net.Listener) error
	ServeTLS(ctx context.Context, l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// A listener is a server on an address.
type listener struct {
	name     string
	net      net.Listener
	server   server
	implicit bool // TLS from the first octet
}

// listen opens all listeners, or none.
func listen(s *settings, p *parts) ([]*listener, error) {
	mx, msa, lda := p.smtpServer(), p.smtpServer(), p.smtpServer()
	msa.Submission, msa.Auth = true, p.auth
	lda.LMTP = true
	mailboxes, maildrops := p.imapServer(), p.pop3Server()
	var all []*listener
	for _, l := range []struct {
		name, address string
		server        server
		implicit      bool
	}{
		{"smtp", s.smtp, mx, false},
		{"submission", s.submission, msa, false},
		{"submissions", s.submissions, msa, true},
		{"lmtp", s.lmtp, lda, false},
		{"imap", s.imap, mailboxes, false},
		{"imaps", s.imaps, mailboxes, true},
		{"pop3", s.pop3, maildrops, false},
		{"pop3s", s.pop3s, maildrops, true},
	} {
		if l.address == "" {
			continue
		}
		n, err := net.Listen("tcp", l.address)
		if err != nil {
			for _, open := range all {
				open.net.Close()
			}
			return nil, fmt.Errorf("-%s: %w", l.name, err)
		}
		all = append(all, &listener{l.name, n, l.server, l.implicit})
	}
	if len(all) == 0 {
		return nil, errors.New("nothing to serve: all listeners are turned off")
	}
	return all, nil
}

func (p *parts) smtpServer() *smtp.Server {
	return &smtp.Server{
		Hostname:           p.settings.hostname,
		Handler:            p.mta,
		Hooks:              []smtp.Hooks{p.mta.Hooks()},
		TLSConfig:          p.tls,
		AllowPlaintextAuth: p.settings.insecureAuth,
		SpoolDir:           p.settings.spool(),
		Logger:             p.logger,
	}
}

func (p *parts) imapServer() *imap.Server {
	return &imap.Server{
		Auth:               p.auth,
		Open:               p.account,
		TLSConfig:          p.tls,
		AllowPlaintextAuth: p.settings.insecureAuth,
		SpoolDir:           p.settings.spool(),
		Logger:             p.logger,
	}
}

func (p *parts) pop3Server() *pop3.Server {
	return &pop3.Server{
		Hostname: p.settings.hostname,
		Auth:     p.auth,
		Open: func(ctx context.Context, who account.Identity) (pop3.Maildrop, error) {
			a, err := p.account(ctx, who)
			if err != nil {
				return nil, err
			}
			return a.Open(ctx, "INBOX")
		},
		TLSConfig:          p.tls,
		AllowPlaintextAuth: p.settings.insecureAuth,
		Logger:             p.logger,
	}
}

// account returns the mail of whoever logged in, and makes room for it the first time.
func (p *parts) account(ctx context.Context, who account.Identity) (store.Account, error) {
	return store.OpenAccount(ctx, p.store, who.Account, store.DefaultMailboxes()...)
}

// announce tells a person what is served and how to try it, and a program that all is ready.
func announce(w io.Writer, s *settings, listeners []*listener) {
	at := map[string]string{}
	for _, l := range listeners {
		at[l.name] = l.net.Addr().String()
		fmt.Fprintf(w, "%-12s %s\n", l.name, l.net.Addr())
	}
	fmt.Fprintf(w, "%-12s %v\n%-12s %s\n", "domains", s.domains, "data", s.data)
	if s.demo {
		for _, a := range s.accounts {
			fmt.Fprintf(w, "%-12s %s, password %s\n", "demo account", a.address, a.password)
		}
		for _, line := range trials(s, at) {
			fmt.Fprintf(w, "try          %s\n", line)
		}
	}
	fmt.Fprintln(w, "ready")
}

// trials are three commands: submit, and read by IMAP and by POP3.
func trials(s *settings, at map[string]string) []string {
	from, to := s.accounts[0], s.accounts[1]
	var lines []string
	if a := at["submission"]; a != "" {
		lines = append(lines, fmt.Sprintf(`printf 'Subject: hello\r\n\r\nIt works.\r\n' | curl -sk --ssl-reqd smtp://%s -u %s:%s --mail-from %s --mail-rcpt %s -T -`,
			a, from.address, from.password, from.address, to.address))
	}
	if a := at["imap"]; a != "" {
		lines = append(lines, fmt.Sprintf("curl -sk --ssl-reqd -u %s:%s 'imap://%s/INBOX;MAILINDEX=1'", to.address, to.password, a))
	}
	if a := at["pop3"]; a != "" {
		lines = append(lines, fmt.Sprintf("curl -sk --ssl-reqd -u %s:%s pop3://%s/1", to.address, to.password, a))
	}
	return lines
}

// attend serves until ctx is cancelled or a server fails, then lets sessions finish and stops the queue.
func attend(ctx context.Context, listeners []*listener, runner *queue.Runner) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			serve := l.server.Serve
			if l.implicit {
				serve = l.server.ServeTLS
			}
			// Sessions outlive ctx: Shutdown ends them.
			if err := serve(context.WithoutCancel(ctx), l.net); ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", l.name, err))
			}
		})
	}
	wg.Go(func() {
		if err := runner.Run(ctx); ctx.Err() == nil {
			cancel(err)
		}
	})
	<-ctx.Done()
	shutdown(listeners)
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// shutdown lets sessions finish for a while, then ends them.
func shutdown(listeners []*listener) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() {
			if l.server.Shutdown(ctx) != nil {
				l.server.Close()
			}
		})
	}
	wg.Wait()
}
