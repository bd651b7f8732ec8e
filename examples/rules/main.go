// The rules are delivery rules in Go: mail that opens tickets, an address for each customer, and lists in
// folders of their own.
//
//	go run ./examples/rules
//
// takes mail on port 2525 and prints what becomes of it. Everything is in memory; examples/mailserver shows
// the durable parts. Try it with
//
//	printf 'Subject: it is broken\r\n\r\nHelp!\r\n' | curl smtp://127.0.0.1:2525 --mail-from eve@example.net --mail-rcpt support@example.org -T -
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/memqueue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store/memstore"
)

func main() {
	m := &mta.MTA{
		Hostname: "mx.example.org",
		Router:   rules(),
		Store:    memstore.New(),
		Queue:    memqueue.New(),
		Handlers: map[string]mta.Handler{"ticket": openTicket},
	}
	runner := &queue.Runner{
		Queue:      m.Queue,
		Transports: m.Transports(queue.TransportFunc(nowhere)),
		Hostname:   m.Hostname,
		Route:      m.RouteReport,
		Retry:      queue.Retry{First: time.Second},
	}
	go func() { log.Fatal(runner.Run(context.Background())) }()
	l, err := net.Listen("tcp", "127.0.0.1:2525")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("smtp on", l.Addr())
	server := &smtp.Server{Hostname: m.Hostname, Handler: m}
	log.Fatal(server.Serve(context.Background(), l))
}

// rules say what becomes of mail for example.org.
func rules() route.Router {
	return route.Domains([]string{"example.org"},
		route.Func(tickets),
		route.Func(customers),
		route.Func(lists),
		route.Postmaster(postrider.Address{Local: "support", Domain: "example.org"}),
	)
}

// tickets gives mail for support to openTicket, save what another program sent by itself.
func tickets(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
	if !strings.EqualFold(r.ForwardPath.Local, "support") {
		return nil, nil
	}
	if m.Content == nil { // at RCPT; the Router is asked again when the content is there
		return route.Handle("ticket"), nil
	}
	auto, err := field(m.Content, "Auto-Submitted")
	if err != nil {
		return nil, err
	}
	if auto != "" && !strings.EqualFold(auto, "no") {
		return route.DeliverTo("staff", "Automatic"), nil
	}
	return route.Handle("ticket"), nil
}

// customers files customer-NUMBER@ in a folder for each customer, and refuses numbers that cannot be.
func customers(_ context.Context, _ *route.Mail, r postrider.Recipient) (route.Verdict, error) {
	number, ok := strings.CutPrefix(strings.ToLower(r.ForwardPath.Local), "customer-")
	if !ok {
		return nil, nil
	}
	if len(number) != 6 || strings.Trim(number, "0123456789") != "" {
		return route.Reject("5.1.1", "customer numbers have six digits"), nil
	}
	return route.DeliverTo("staff", "Customers/"+number), nil
}

// lists files mail of lists that staff subscribed to.
func lists(_ context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
	if !strings.EqualFold(r.ForwardPath.Local, "staff") {
		return nil, nil
	}
	if m.Content != nil {
		if id, err := field(m.Content, "List-Id"); err != nil || id != "" {
			return route.DeliverTo("staff", "Lists"), err
		}
	}
	return route.Deliver("staff"), nil
}

// field returns the value of a header field, empty if there is none.
func field(c postrider.Content, name string) (string, error) {
	sum, err := message.Summarize(c, c.Size())
	if err != nil {
		return "", err
	}
	for f, err := range sum.Structure.Fields(c) {
		if err != nil {
			return "", err
		}
		if f.Is(name) {
			return f.Value(), nil
		}
	}
	return "", nil
}

// openTicket is called at least once for each mail; a real one would look for the key first.
func openTicket(_ context.Context, m mta.Handled) error {
	subject, err := field(m.Content, "Subject")
	if err != nil {
		return err
	}
	fmt.Printf("ticket %s: %s asks: %s\n", m.Key, m.Envelope.ReversePath, message.DecodeHeader(subject))
	return nil
}

// nowhere stands for a relay: this example sends nothing to other servers.
func nowhere(_ context.Context, a *queue.Attempt) []queue.Outcome {
	var outcomes []queue.Outcome
	for _, r := range a.Recipients {
		status := &postrider.Status{Code: "5.4.4", Text: "this server does not relay", Err: errors.New("no relay")}
		outcomes = append(outcomes, queue.Outcome{Index: r.Index, Result: queue.Failed, Status: status})
	}
	return outcomes
}
