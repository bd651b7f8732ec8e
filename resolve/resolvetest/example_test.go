package resolvetest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

func ExampleZone() {
	z := resolvetest.MustZone(`
		example.org.  60 MX 10 mx.example.org.
	`)
	z.SetAuthentic("example.org", true)
	a, err := z.MX(context.Background(), "example.org")
	fmt.Printf("%+v %v\n", a, err)
	// Output:
	// {Records:[{Host:mx.example.org Preference:10}] Name:example.org Authentic:true TTL:1m0s} <nil>
}

// The kit runs on any Resolver that can be made to ask a Server.
func ExampleRun() {
	_ = func(t *testing.T) {
		resolvetest.Run(t, func(t *testing.T, z *resolvetest.Zone) resolve.Resolver {
			server := resolvetest.Start(t, z)
			d := &resolve.DNS{Servers: []string{server.Addr()}}
			t.Cleanup(func() { d.Close() })
			return d
		})
	}
}
