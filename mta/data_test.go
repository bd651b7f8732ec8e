package mta_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// A message for later, all of which is to be discarded, needs no place in the queue.
func TestDiscardedMailIsNotHeldBack(t *testing.T) {
	o := newOffice()
	tx := &smtp.Transaction{ID: "1", Session: &smtp.Session{Hello: "client.example.net"}, Envelope: postrider.Envelope{
		Hold:       time.Now().Add(time.Hour),
		Recipients: []postrider.Recipient{{ForwardPath: addr("void@example.org")}},
	}}
	if err := o.mta.Data(t.Context(), tx, postrider.String("Subject: hello\r\n\r\n")); err != nil {
		t.Error(err)
	}
}
