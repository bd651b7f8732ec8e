package postrider_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider"
)

func TestStatusCodes(t *testing.T) {
	for _, tt := range []struct {
		status postrider.Status
		reply  int
		code   string
	}{
		{postrider.Status{Code: "5.1.1"}, 550, "5.1.1"},
		{postrider.Status{Code: "5.2.2"}, 552, "5.2.2"},
		{postrider.Status{Code: "4.2.2"}, 452, "4.2.2"},
		{postrider.Status{Code: "4.3.1"}, 452, "4.3.1"},
		{postrider.Status{Code: "5.1.10"}, 556, "5.1.10"},
		{postrider.Status{Code: "5.7.27"}, 550, "5.7.27"},
		{postrider.Status{Code: "2.0.0"}, 250, "2.0.0"},
		{postrider.Status{Code: "2.7.0"}, 235, "2.7.0"},
		{postrider.Status{Code: "5.9.9"}, 554, "5.9.9"},
		{postrider.Status{Code: "4.9.9"}, 451, "4.9.9"},
		{postrider.Status{Code: "4.5.3"}, 452, "4.5.3"},
		{postrider.Status{Code: "5.5.4", Reply: 555}, 555, "5.5.4"},
		{postrider.Status{Code: "4.3.2", Reply: 421}, 421, "4.3.2"},
		{postrider.Status{Reply: 552}, 552, "5.0.0"},
		{postrider.Status{Reply: 250}, 250, "2.0.0"},
		// What contradicts itself goes by the enhanced code, what is malformed is temporary.
		{postrider.Status{Code: "4.2.1", Reply: 550}, 450, "4.2.1"},
		{postrider.Status{Code: "5.1"}, 451, "4.0.0"},
		{postrider.Status{Code: "3.1.1"}, 451, "4.0.0"},
		{postrider.Status{Code: "5.1.1\r\n250"}, 451, "4.0.0"},
		{postrider.Status{Code: "5.1234.1"}, 451, "4.0.0"},
		{postrider.Status{Reply: 354}, 451, "4.0.0"},
		{postrider.Status{}, 451, "4.0.0"},
	} {
		if got := tt.status.ReplyCode(); got != tt.reply {
			t.Errorf("%+v replies %d, want %d", tt.status, got, tt.reply)
		}
		if got := tt.status.EnhancedCode(); got != tt.code {
			t.Errorf("%+v has code %s, want %s", tt.status, got, tt.code)
		}
	}
}

func TestUnknownMeansTemporary(t *testing.T) {
	s := postrider.StatusOf(fmt.Errorf("open the secret file: %w", io.ErrUnexpectedEOF))
	if s.ReplyCode() != 451 || s.EnhancedCode() != "4.3.0" || !s.Temporary() {
		t.Errorf("got %v", s)
	}
	if strings.Contains(s.Text, "secret") {
		t.Errorf("the peer is told %q", s.Text)
	}
	if !errors.Is(s, io.ErrUnexpectedEOF) {
		t.Error("the log is not told the cause")
	}
	if postrider.StatusOf(nil) != nil {
		t.Error("no error has a status")
	}
}

func TestStatusOfKeepsADecision(t *testing.T) {
	full := &postrider.Status{Code: "5.2.2", Text: "mailbox is full"}
	if got := postrider.StatusOf(full); got != full {
		t.Errorf("got %v", got)
	}
	wrapped := postrider.StatusOf(fmt.Errorf("deliver to ann: %w", full))
	if wrapped.Code != "5.2.2" || wrapped.Text != "mailbox is full" {
		t.Errorf("got %v", wrapped)
	}
	if !strings.Contains(wrapped.Error(), "deliver to ann") {
		t.Errorf("the log lost the way: %v", wrapped)
	}
	if !postrider.IsPermanent(wrapped) || postrider.IsPermanent(io.EOF) || postrider.IsPermanent(nil) {
		t.Error("IsPermanent")
	}
}

func TestStatusTextCannotForgeAReply(t *testing.T) {
	s := postrider.Status{Text: "no\r\n250 ok\nmore\rhidden\x00"}
	want := []string{"no", "250 ok", "more?hidden?"}
	if got := s.Lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&postrider.Status{}).Lines(); len(got) != 1 {
		t.Errorf("an empty text has %d lines, want one", len(got))
	}
}

func TestNotify(t *testing.T) {
	for n, want := range map[postrider.Notify]string{
		0:                     "",
		postrider.NotifyNever: "NEVER",
		postrider.NotifySuccess | postrider.NotifyDelay:   "SUCCESS,DELAY",
		postrider.NotifyFailure | postrider.NotifySuccess: "SUCCESS,FAILURE",
	} {
		if n.String() != want {
			t.Errorf("%d is %q, want %q", n, n, want)
		}
	}
	if none := postrider.Notify(0); !none.WantsFailure() || !none.WantsDelay() || none.WantsSuccess() {
		t.Error("without NOTIFY, failures and delays are told and successes are not")
	}
	if never := postrider.NotifyNever; never.WantsFailure() || never.WantsDelay() || never.WantsSuccess() {
		t.Error("NEVER means never")
	}
}
