package queuetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

// fill gives everything below v a value of its own, so that a field which is added later and not kept is
// noticed.
func fill(v reflect.Value, n *int) {
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2031, 2, 3, 4, 5, *n, 6_000, time.FixedZone("", 3600))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d \x00\r\n\xff ü", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) - 1<<40)
	case reflect.Uint8:
		v.SetUint(uint64(*n%254) + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic(fmt.Sprintf("queuetest: cannot fill a %v", v.Type()))
	}
}

// filled returns a submission of which every field has a value.
func filled() queue.Submission {
	n := 0
	s := queue.Submission{Content: postrider.String("text")}
	fill(reflect.ValueOf(&s.Envelope).Elem(), &n)
	s.Envelope.Recipients = nil
	s.Recipients = make([]queue.Recipient, 2)
	fill(reflect.ValueOf(&s.Recipients).Elem(), &n)
	return s
}

func fieldsKept(k *kit) {
	empty := mail("", "x@a.example")
	empty.Envelope = postrider.Envelope{Auth: &postrider.Address{}}
	for _, s := range []queue.Submission{filled(), mail("plain", "x@a.example"), empty} {
		id := k.put(s)
		if k.options.Reopen != nil {
			k.reopen()
		}
		want := map[int]queue.Recipient{}
		for i, r := range s.Recipients {
			want[i] = r
		}
		check := func(from string, list []queue.Entry) {
			k.Helper()
			for _, e := range list {
				same(k, "ID from "+from, e.Message.ID, id)
				if diff := cmp.Diff(s.Envelope, e.Message.Envelope); diff != "" {
					k.broken("envelope from %s (-put +got):\n%s", from, diff)
				}
				if diff := cmp.Diff(want[e.Index], e.Recipient); diff != "" {
					k.broken("recipient %d from %s (-put +got):\n%s", e.Index, from, diff)
				}
			}
		}
		list := k.entries(queue.Filter{})
		same(k, "recipients in the queue", len(list), len(s.Recipients))
		check("Entries", list)
		for _, c := range k.claim() {
			check("Claim", c.Recipients)
			if diff := cmp.Diff(s.Envelope, c.Message.Envelope); diff != "" {
				k.broken("envelope of a claim (-put +got):\n%s", diff)
			}
			var outcomes []queue.Outcome
			for _, e := range c.Recipients {
				same(k, "hop of a claim", c.Hop, queue.Hop{Transport: e.Transport, NextHop: e.NextHop})
				outcomes = append(outcomes, fate(queue.Delivered, e.Index)...)
			}
			k.settle(c.Token, outcomes...)
		}
		k.wantQueue(queue.Filter{})
	}
}
