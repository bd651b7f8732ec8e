package sqlqueue_test

import (
	"context"
	"testing"

	"github.com/postrider/postrider/queue"
	"github.com/postrider/postrider/queue/queuetest"
	"github.com/postrider/postrider/queue/sqlqueue"
)

func open(t testing.TB, dir string) *sqlqueue.Queue {
	t.Helper()
	q, err := sqlqueue.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPromises(t *testing.T) {
	dirs := map[queue.Queue]string{}
	openNew := func(t testing.TB, dir string) queue.Queue {
		q := open(t, dir)
		dirs[q] = dir
		return q
	}
	queuetest.Run(t, func(t testing.TB) queue.Queue { return openNew(t, t.TempDir()) }, queuetest.Options{
		Reopen: func(t testing.TB, closed queue.Queue) queue.Queue { return openNew(t, dirs[closed]) },
	})
}
