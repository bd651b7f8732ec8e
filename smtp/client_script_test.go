package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// TestClientTalksToServersOfAllKinds plays the servers in testdata/client. In those files "do" lines are what the caller of the client
// does, with words as its arguments, and the section outcomes is what it got:
//
//	do connect [lmtp] [tls=require|implicit|none] [name=NAME] [auth=USER:PASSWORD] [insecure] [hostname=NAME]
//	do send [from=PATH] [to=PATH,PATH] [rcpts=N] [text="..."] [lines=N] [body=KIND] [smtputf8] [requiretls] [ret=R] [envid=ID]
//	        [submitter=PATH] [notify=N] [orcpt=TYPE;VALUE] [by=DURATION[!]] [priority=N] [rrvs[=C]] [param=KEYWORD[=VALUE]] [within=DURATION]
//	do noop, do reset, do quit, do close
func TestClientTalksToServersOfAllKinds(t *testing.T) {
	server, trusted := mailtest.TLS(t)
	var run *clientRun
	mailtest.RunScripts(t, "testdata/client", mailtest.Script{
		Play: mailtest.Server,
		TLS:  server,
		Start: func(t *testing.T, n *mailtest.Network) {
			run = &clientRun{t: t, network: n, tls: trusted, gate: make(chan string, 100)}
			run.script(clientScriptSteps(t))
		},
		Do:    func(t *testing.T, line string) error { run.gate <- line; return nil },
		Check: func(t *testing.T, section string) string { return run.sections[section].String() },
	})
}

// clientScriptSteps counts the do lines of the file that t runs.
func clientScriptSteps(t *testing.T) int {
	_, name, _ := strings.Cut(t.Name(), "/")
	text, err := os.ReadFile("testdata/client/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count("\n"+string(text), "\ndo ")
}

// A clientRun is the caller of one client.
type clientRun struct {
	t        *testing.T
	network  *mailtest.Network
	tls      *tls.Config
	gate     chan string
	client   *smtp.Client
	sections map[string]*bytes.Buffer
}

// script does what the lines say, each once the dialogue has come to it.
func (r *clientRun) script(steps int) {
	r.sections = map[string]*bytes.Buffer{"outcomes": {}, "transcript": {}}
	defer func() {
		if r.client != nil {
			r.client.Close()
		}
	}()
	for range steps {
		select {
		case line := <-r.gate:
			r.step(line)
		case <-time.After(24 * time.Hour): // the dialogue failed before it came here
			return
		}
	}
}

func (r *clientRun) note(format string, args ...any) {
	fmt.Fprintf(r.sections["outcomes"], format+"\n", args...)
}

func (r *clientRun) step(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	args := clientArgs(r.t, rest)
	start := time.Now()
	var err error
	switch verb {
	case "connect":
		err = r.connect(args)
	case "send":
		r.send(args)
		return
	case "noop":
		err = r.client.Noop(r.t.Context())
	case "reset":
		err = r.client.Reset(r.t.Context())
	case "quit":
		err = r.client.Quit(r.t.Context())
	case "close":
		err = r.client.Close()
	default:
		r.t.Fatalf("unknown line: do %s", line)
	}
	r.note("%s%s: %s", verb, clientTook(start), r.verdict(err))
}

// clientTook says how long a step took, if it took a second or more.
func clientTook(start time.Time) string {
	if took := time.Since(start).Truncate(time.Second); took > 0 {
		return " after " + took.String()
	}
	return ""
}

func (r *clientRun) verdict(err error) string {
	if err == nil {
		return "ok"
	}
	var e *smtp.ClientError
	if !errors.As(err, &e) {
		return err.Error()
	}
	kind := "temporary"
	switch {
	case e.Ambiguous:
		kind = "ambiguous"
	case postrider.IsPermanent(err):
		kind = "permanent"
	}
	if e.Reply == "" {
		kind += ", not the server's"
	}
	return fmt.Sprintf("%s (%s)", e, kind)
}

func (r *clientRun) connect(args map[string]string) error {
	d := &smtp.Dialer{
		Hostname:    "client.example.net",
		DialContext: r.network.DialContext,
		TLSConfig:   &tls.Config{RootCAs: r.tls.RootCAs},
		ServerName:  "mx.example.org",
		Logger:      slog.New(slog.DiscardHandler),
		Transcript:  func(line string) { fmt.Fprintln(r.sections["transcript"], line) },
	}
	for key, value := range args {
		switch key {
		case "lmtp":
			d.LMTP = true
		case "tls":
			d.TLS = map[string]smtp.TLSMode{"require": smtp.RequireTLS, "implicit": smtp.ImplicitTLS, "none": smtp.NoTLS}[value]
		case "name":
			d.ServerName = value
		case "hostname":
			d.Hostname = value
		case "auth":
			user, password, _ := strings.Cut(value, ":")
			d.Auth = smtp.PasswordAuth(user, password)
		case "insecure":
			d.AllowInsecureAuth = true
		default:
			r.t.Fatalf("do connect: unknown argument %q", key)
		}
	}
	c, err := d.Connect(r.t.Context(), "192.0.2.1:25")
	if err == nil {
		r.client = c
	}
	return err
}

func (r *clientRun) send(args map[string]string) {
	ctx := r.t.Context()
	if within := args["within"]; within != "" {
		limit, err := time.ParseDuration(within)
		if err != nil {
			r.t.Fatal(err)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
		delete(args, "within")
	}
	env, content := clientEnvelope(r.t, args)
	start := time.Now()
	outcomes, err := r.client.Send(ctx, env, content)
	took := clientTook(start)
	if len(outcomes) != len(env.Recipients) {
		r.t.Errorf("%d outcomes for %d recipients", len(outcomes), len(env.Recipients))
	}
	if len(outcomes) == 0 {
		r.note("send%s: %s", took, r.verdict(err))
	}
	failed, accepted := false, 0
	for _, o := range outcomes {
		if o.Err != nil {
			failed = true
			r.note("send%s to <%s>: %s", took, o.Recipient, r.verdict(o.Err))
			continue
		}
		if accepted++; accepted <= 3 {
			r.note("send%s to <%s>: accepted: %s", took, o.Recipient, o.Reply)
		}
	}
	if accepted > 3 {
		r.note("and %d others accepted", accepted-3)
	}
	if failed != (err != nil) && len(outcomes) > 0 {
		r.t.Errorf("failures: %v, error: %v", failed, err)
	}
	if !r.client.Reusable() {
		r.note("not reusable")
	}
}

// clientArgs splits words, in which a value in quotes may hold spaces.
func clientArgs(t *testing.T, s string) map[string]string {
	args := make(map[string]string)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		key := s[:strings.IndexAny(s+" ", " =")]
		s = s[len(key):]
		if !strings.HasPrefix(s, "=") {
			args[key] = ""
			continue
		}
		s = s[1:]
		quoted, err := strconv.QuotedPrefix(s)
		value := quoted
		if err != nil {
			value, _, _ = strings.Cut(s, " ")
			args[key], s = value, s[len(value):]
			continue
		}
		if args[key], err = strconv.Unquote(quoted); err != nil {
			t.Fatal(err)
		}
		s = s[len(quoted):]
	}
	return args
}

const clientText = "Subject: hello\r\n\r\nHello, world.\r\n"

// clientEnvelope makes the envelope and the message that args describe.
func clientEnvelope(t *testing.T, args map[string]string) (*postrider.Envelope, postrider.Content) {
	env := &postrider.Envelope{ReversePath: clientPath(t, "ann@example.net")}
	var rcpt postrider.Recipient
	to, text := "bob@example.org", clientText
	for key, value := range args {
		switch key {
		case "from":
			env.ReversePath = clientPath(t, value)
		case "to":
			to = value
		case "rcpts":
			n, _ := strconv.Atoi(value)
			var all []string
			for i := range n {
				all = append(all, fmt.Sprintf("r%d@example.org", i+1))
			}
			to = strings.Join(all, ",")
		case "text":
			text = value
		case "lines":
			n, _ := strconv.Atoi(value)
			text = strings.Repeat("0123456789012345678901234567890123456789012345678901234567890123456789\r\n", n)
		case "body":
			env.Body = postrider.Body(value)
		case "smtputf8":
			env.SMTPUTF8 = true
		case "requiretls":
			env.RequireTLS = true
		case "ret":
			env.Return = postrider.Return(value)
		case "envid":
			env.EnvelopeID = value
		case "submitter":
			a := clientPath(t, value)
			env.Auth = &a
		case "notify":
			n, _ := strconv.Atoi(value)
			rcpt.Notify = postrider.Notify(n)
		case "orcpt":
			rcpt.Original.Raw = value
			rcpt.Original.Type, rcpt.Original.Address, _ = strings.Cut(value, ";")
		case "by":
			d, _ := time.ParseDuration(strings.TrimSuffix(value, "!"))
			env.DeliverBy = &postrider.DeliverBy{Deadline: time.Now().Add(d), Return: strings.HasSuffix(value, "!")}
		case "priority":
			n, _ := strconv.Atoi(value)
			env.Priority = &n
		case "rrvs":
			rcpt.RequireValidSince = time.Date(2014, 4, 3, 23, 1, 0, 0, time.UTC)
			rcpt.RequireValidSinceContinue = value == "C"
		case "param":
			keyword, v, _ := strings.Cut(value, "=")
			env.Params = append(env.Params, postrider.Param{Keyword: keyword, Value: v})
		default:
			t.Fatalf("do send: unknown argument %q", key)
		}
	}
	if to != "" {
		for path := range strings.SplitSeq(to, ",") {
			rcpt.ForwardPath = clientPath(t, path)
			env.Recipients = append(env.Recipients, rcpt)
		}
	}
	return env, postrider.String(text)
}

func clientPath(t *testing.T, s string) (a postrider.Address) {
	if s == "<>" {
		return a
	}
	if err := a.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return a
}
