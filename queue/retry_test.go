package queue

import (
	"testing"
	"time"

	"github.com/postrider/postrider"
)

func TestWaitsDoubleUpToTheLongest(t *testing.T) {
	for _, try := range []struct {
		name     string
		retry    Retry
		attempts int
		chance   float64
		want     time.Duration
	}{
		{"first by default", Retry{}, 1, 0.5, 30 * time.Minute},
		{"second", Retry{}, 2, 0.5, time.Hour},
		{"third", Retry{}, 3, 0.5, 2 * time.Hour},
		{"fourth", Retry{}, 4, 0.5, 4 * time.Hour},
		{"longest by default", Retry{}, 5, 0.5, 4 * time.Hour},
		{"after very many", Retry{}, 1 << 40, 0.5, 4 * time.Hour},
		{"least jitter", Retry{}, 1, 0, 27 * time.Minute},
		{"most jitter", Retry{}, 1, 1, 33 * time.Minute},
		{"no jitter", Retry{Jitter: -1}, 1, 1, 30 * time.Minute},
		{"all jitter", Retry{Jitter: 1}, 1, 0, 0},
		{"first", Retry{First: time.Minute}, 1, 0.5, time.Minute},
		{"just below the longest", Retry{First: time.Minute, Max: 5 * time.Minute}, 3, 0.5, 4 * time.Minute},
		{"not beyond the longest", Retry{First: time.Minute, Max: 5 * time.Minute}, 4, 0.5, 5 * time.Minute},
		{"first is longer than the default of the longest", Retry{First: 6 * time.Hour}, 1, 0.5, 6 * time.Hour},
		{"and stays so", Retry{First: 6 * time.Hour}, 9, 0.5, 6 * time.Hour},
		{"longest less than first", Retry{First: time.Hour, Max: time.Minute}, 3, 0.5, time.Hour},
	} {
		if got := try.retry.Wait(try.attempts, try.chance); got != try.want {
			t.Errorf("%s: waits %v, want %v", try.name, got, try.want)
		}
	}
}

func TestMessagesExpire(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	held := postrider.Envelope{Hold: created.Add(30 * 24 * time.Hour)}
	for _, try := range []struct {
		name  string
		retry Retry
		env   postrider.Envelope
		age   time.Duration
		want  bool
	}{
		{"just before five days", Retry{}, postrider.Envelope{}, 5*24*time.Hour - time.Nanosecond, false},
		{"after five days", Retry{}, postrider.Envelope{}, 5 * 24 * time.Hour, true},
		{"just before its time", Retry{Expire: time.Hour}, postrider.Envelope{}, time.Hour - 1, false},
		{"after its time", Retry{Expire: time.Hour}, postrider.Envelope{}, time.Hour, true},
		{"never", Retry{Expire: -1}, postrider.Envelope{}, 1000 * 24 * time.Hour, false},
		{"just before five days from its release", Retry{}, held, 35*24*time.Hour - 1, false},
		{"five days after its release", Retry{}, held, 35 * 24 * time.Hour, true},
		{"released before it came", Retry{}, postrider.Envelope{Hold: created.Add(-time.Hour)}, 5 * 24 * time.Hour, true},
	} {
		m := Message{Created: created, Envelope: try.env}
		if got := try.retry.expired(m, created.Add(try.age)); got != try.want {
			t.Errorf("%s: expired is %v", try.name, got)
		}
	}
}
