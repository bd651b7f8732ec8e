package mta_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/account"
	"github.com/postrider/postrider/mta"
	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/route"
	"github.com/postrider/postrider/smtp"
	"github.com/postrider/postrider/store"
)

// transaction is one to the given recipients, from a client without an IP address.
func transaction(to ...string) *smtp.Transaction {
	s := &smtp.Session{Hello: "client.example.net", Remote: &net.UnixAddr{Net: "unix"}}
	tx := &smtp.Transaction{ID: "1", Session: s, Envelope: postrider.Envelope{ReversePath: addr("eve@example.net")}}
	for _, a := range to {
		tx.Envelope.Recipients = append(tx.Envelope.Recipients, postrider.Recipient{ForwardPath: addr(a)})
	}
	return tx
}

func TestAClientOnAUnixSocketIsNoMailOfOurOwn(t *testing.T) {
	o := newOffice()
	err := o.mta.Rcpt(t.Context(), transaction(), &postrider.Recipient{ForwardPath: addr("ann@example.net")})
	if s := postrider.StatusOf(err); s == nil || s.EnhancedCode() != "5.7.1" {
		t.Errorf("it may relay: %v", err)
	}
}

func TestADirectoryThatIsDownRefusesNoSenderForGood(t *testing.T) {
	down := errors.New("directory is down")
	m := &mta.MTA{Directory: account.Funcs{ResolveFunc: func(context.Context, postrider.Address) (string, error) { return "", down }}}
	tx := transaction()
	tx.Session.Identity = &account.Identity{Account: "ann"}
	hooks := m.Hooks()
	if err := hooks.Mail(t.Context(), tx); !errors.Is(err, down) || postrider.IsPermanent(err) {
		t.Error(err)
	}
}

// A message for later, all of which is to be discarded, needs no place in the queue.
func TestDiscardedMailIsNotHeldBack(t *testing.T) {
	o := newOffice()
	tx := transaction("void@example.org")
	tx.Envelope.Hold = time.Now().Add(time.Hour)
	if err := o.mta.Data(t.Context(), tx, postrider.String("Subject: hello\r\n\r\n")); err != nil {
		t.Error(err)
	}
}

// RFC 4865 §5: what is to be released later is in no mailbox before.
func TestMailForLaterWaitsInTheQueue(t *testing.T) {
	o := newOffice()
	tx := transaction("ann@example.org")
	tx.Envelope.Hold = time.Now().Add(time.Hour)
	if err := o.mta.Data(t.Context(), tx, postrider.String("Subject: hello\r\n\r\n")); postrider.IsPermanent(err) {
		t.Fatal(err)
	}
	if due, err := o.queue.NextDue(t.Context()); err != nil || !due.Equal(tx.Envelope.Hold) {
		t.Errorf("it is due at %v, not %v: %v", due, tx.Envelope.Hold, err)
	}
}

// A runner that dies between the delivery and its note makes no duplicate.
func TestADeliveryTriedAgainIsTheSameDelivery(t *testing.T) {
	o := newOffice()
	data, err := json.Marshal(route.Deliver("ann")[0])
	if err != nil {
		t.Fatal(err)
	}
	attempt := &queue.Attempt{
		Message: queue.Message{ID: "7", Envelope: postrider.Envelope{ReversePath: addr("eve@example.net")}},
		Content: postrider.String("Subject: hello\r\n\r\n"),
	}
	for i := range 2 {
		attempt.Recipients = append(attempt.Recipients, queue.Entry{Index: i, Recipient: queue.Recipient{
			Recipient: postrider.Recipient{ForwardPath: addr("ann@example.org")}, Transport: mta.TransportLocal, Data: data,
		}})
	}
	local := o.mta.Transports(nil)[mta.TransportLocal]
	for range 3 {
		for _, outcome := range local.Deliver(t.Context(), attempt) {
			if outcome.Result != queue.Delivered {
				t.Error(outcome.Status)
			}
		}
	}
	if n := messages(t, o.store, "ann"); n != 2 {
		t.Errorf("two deliveries, each tried thrice, are %d messages", n)
	}
}

func messages(t *testing.T, s store.Store, name string) int {
	a, err := s.Account(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Open(t.Context(), store.Inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	status, err := m.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Messages
}

func TestAReportIsNotLostWhileTheRouterDefers(t *testing.T) {
	o := newOffice()
	to := postrider.Recipient{ForwardPath: addr("later@example.org")}
	ways, err := o.mta.RouteReport(t.Context(), &postrider.Envelope{}, postrider.String("\r\n"), to)
	if err == nil || postrider.IsPermanent(err) {
		t.Errorf("it goes %v ways: %v", len(ways), err)
	}
}
