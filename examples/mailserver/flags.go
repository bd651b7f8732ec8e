package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/postrider/postrider"
)

// settings are what the flags say.
type settings struct {
	data     string
	hostname string
	domains  []string
	accounts []newAccount
	demo     bool // the accounts are made up
	aliases  []alias
	catchAll []catchAll

	smtp, submission, submissions, lmtp string
	imap, imaps, pop3, pop3s            string

	tlsCert, tlsKey string
	insecureAuth    bool
	dns             string
	smtpPort        int
	retry           time.Duration
	logLevel        slog.Level
}

type newAccount struct {
	address  postrider.Address
	password string
}

type alias struct {
	from postrider.Address
	to   []postrider.Address
}

type catchAll struct {
	domain string
	to     postrider.Address
}

// demoDomain is served when no -domain is given. RFC 2606 keeps it for examples.
const demoDomain = "example.org"

func parseFlags(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("mailserver", flag.ContinueOnError)
	f.SetOutput(io.Discard) // run prints the one line that matters
	f.StringVar(&s.data, "data", "data", "`folder` of mailboxes and queue")
	f.StringVar(&s.hostname, "hostname", "mail.example.org", "`name` of this server")
	f.Func("domain", "`name` of a domain served here; repeat for more (default example.org)", s.addDomain)
	f.Func("account", "`address:password` of an account; repeat for more; the first also gets postmaster's mail (default two demo accounts)", s.addAccount)
	f.Func("alias", "`address=address[,address]` that stands for others; repeat for more", s.addAlias)
	f.Func("catchall", "`domain=address` that gets what nobody else does; repeat for more", s.addCatchAll)
	f.StringVar(&s.smtp, "smtp", "127.0.0.1:2525", "`host:port` for mail from other servers; empty for none, as below")
	f.StringVar(&s.submission, "submission", "127.0.0.1:2587", "`host:port` for mail from our users, with STARTTLS")
	f.StringVar(&s.submissions, "submissions", "127.0.0.1:2465", "`host:port` for mail from our users, in TLS")
	f.StringVar(&s.lmtp, "lmtp", "", "`host:port` for mail from a trusted server beside us, by LMTP")
	f.StringVar(&s.imap, "imap", "127.0.0.1:2143", "`host:port` of IMAP, with STARTTLS")
	f.StringVar(&s.imaps, "imaps", "127.0.0.1:2993", "`host:port` of IMAP in TLS")
	f.StringVar(&s.pop3, "pop3", "127.0.0.1:2110", "`host:port` of POP3, with STLS")
	f.StringVar(&s.pop3s, "pop3s", "127.0.0.1:2995", "`host:port` of POP3 in TLS")
	f.StringVar(&s.tlsCert, "tls-cert", "", "`file` with the certificate chain in PEM (default one of our own making)")
	f.StringVar(&s.tlsKey, "tls-key", "", "`file` with its key in PEM")
	f.BoolVar(&s.insecureAuth, "insecure-auth", false, "take passwords without TLS, for tests")
	f.StringVar(&s.dns, "dns", "", "`host:port` of the DNS server to ask (default those of the system)")
	f.IntVar(&s.smtpPort, "smtp-port", 25, "`port` of other servers, for tests")
	f.DurationVar(&s.retry, "retry", 30*time.Minute, "`wait` before the first retry; later ones wait longer")
	f.TextVar(&s.logLevel, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "usage: mailserver [flags]")
		f.SetOutput(stderr)
		f.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, err
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return s, s.complete()
}

// complete fills in the demo and reports all that does not fit together.
func (s *settings) complete() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(s.domains) == 0 {
		s.domains = []string{demoDomain}
	}
	if len(s.accounts) == 0 {
		if public := s.publicListener(); public != "" {
			wrong("-account is needed to serve on %s: the demo accounts have known passwords", public)
		}
		s.demo = true
		for _, local := range []string{"ann", "bob"} {
			s.accounts = append(s.accounts, newAccount{postrider.Address{Local: local, Domain: s.domains[0]}, "secret"})
		}
	}
	for _, l := range s.listeners() {
		if _, _, err := net.SplitHostPort(l.address); l.address != "" && err != nil {
			wrong("-%s %s: want host:port", l.name, l.address)
		}
	}
	if err := postrider.CheckDomain(s.hostname); err != nil {
		wrong("-hostname %s: %v", s.hostname, err)
	}
	for _, a := range s.accounts {
		if !s.serves(a.address.Domain) {
			wrong("-account %s: its domain is not served; add -domain %s", a.address, a.address.Domain)
		}
	}
	for _, a := range s.aliases {
		if !s.serves(a.from.Domain) {
			wrong("-alias %s: its domain is not served; add -domain %s", a.from, a.from.Domain)
		}
	}
	for _, c := range s.catchAll {
		if !s.serves(c.domain) {
			wrong("-catchall %s: the domain is not served; add -domain %s", c.domain, c.domain)
		}
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		wrong("-tls-cert and -tls-key go together")
	}
	if s.smtpPort < 1 || s.smtpPort > 65535 {
		wrong("-smtp-port %d is no port", s.smtpPort)
	}
	if s.retry <= 0 {
		wrong("-retry %v: want a time greater than 0", s.retry)
	}
	if s.dns != "" {
		if _, _, err := net.SplitHostPort(s.dns); err != nil {
			wrong("-dns %s: want host:port", s.dns)
		}
	}
	return oneLine(errs)
}

// oneLine joins errors in one line, for that is what a supervisor shows.
func oneLine(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return errors.New(strings.Join(texts, "; "))
}

func (s *settings) serves(domain string) bool {
	for _, d := range s.domains {
		if postrider.CanonicalDomain(d) == postrider.CanonicalDomain(domain) {
			return true
		}
	}
	return false
}

// A listenFlag is where a service listens, nowhere if the address is empty.
type listenFlag struct{ name, address string }

func (s *settings) listeners() []listenFlag {
	return []listenFlag{
		{"smtp", s.smtp}, {"submission", s.submission}, {"submissions", s.submissions}, {"lmtp", s.lmtp},
		{"imap", s.imap}, {"imaps", s.imaps}, {"pop3", s.pop3}, {"pop3s", s.pop3s},
	}
}

// publicListener returns the first address to listen on that is not of the loopback, empty if all are.
func (s *settings) publicListener() string {
	for _, l := range s.listeners() {
		host, _, err := net.SplitHostPort(l.address)
		if l.address == "" || err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return l.address
		}
	}
	return ""
}

func (s *settings) addDomain(v string) error {
	if err := postrider.CheckDomain(v); err != nil {
		return err
	}
	s.domains = append(s.domains, v)
	return nil
}

func (s *settings) addAccount(v string) error {
	// Address and password may both hold colons: the first one with an address before it parts them.
	for i, c := range v {
		if c != ':' {
			continue
		}
		address, err := postrider.ParseAddress(v[:i])
		if err != nil {
			continue
		}
		if v[i+1:] == "" {
			return errors.New("the password is empty")
		}
		s.accounts = append(s.accounts, newAccount{address, v[i+1:]})
		return nil
	}
	return errors.New("want address:password")
}

func (s *settings) addAlias(v string) error {
	name, list, ok := strings.Cut(v, "=")
	if !ok || list == "" {
		return errors.New("want address=address[,address]")
	}
	from, err := postrider.ParseAddress(name)
	if err != nil {
		return err
	}
	a := alias{from: from}
	for item := range strings.SplitSeq(list, ",") {
		to, err := postrider.ParseAddress(item)
		if err != nil {
			return err
		}
		a.to = append(a.to, to)
	}
	s.aliases = append(s.aliases, a)
	return nil
}

func (s *settings) addCatchAll(v string) error {
	domain, to, ok := strings.Cut(v, "=")
	if !ok {
		return errors.New("want domain=address")
	}
	if err := postrider.CheckDomain(domain); err != nil {
		return err
	}
	address, err := postrider.ParseAddress(to)
	if err != nil {
		return err
	}
	s.catchAll = append(s.catchAll, catchAll{domain, address})
	return nil
}

// spool is the folder of large messages on their way in, on the disk that they go to.
func (s *settings) spool() string { return filepath.Join(s.data, "spool") }

// certificate returns the certificate of the flags, or one of our own making for this run.
func (s *settings) certificate() (tls.Certificate, error) {
	if s.tlsCert != "" {
		return tls.LoadX509KeyPair(s.tlsCert, s.tlsKey)
	}
	return selfSigned(s.hostname, "localhost", "127.0.0.1", "::1")
}
