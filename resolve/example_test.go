package resolve_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/postrider/postrider/resolve"
	"github.com/postrider/postrider/resolve/resolvetest"
)

// Where does mail for a domain go?
func ExampleHosts() {
	r := resolvetest.MustZone(`
		example.org.      MX 10 mx1.example.org.
		example.org.      MX 20 mx2.example.org.
		example.org.      MX 30 backup.example.net.
		mx1.example.org.  A    192.0.2.1
		mx1.example.org.  AAAA 2001:db8::1
		mx2.example.org.  A    192.0.2.2
		silent.example.   MX 0 .
	`)
	targets, err := resolve.Hosts(context.Background(), r, "example.org", resolve.HostsOptions{
		SelfNames: []string{"backup.example.net"}, // we are the last of them
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range targets.Hosts {
		fmt.Println(h.Preference, h.Name, h.Addrs)
	}

	_, err = resolve.Hosts(context.Background(), r, "silent.example", resolve.HostsOptions{})
	fmt.Println(err)
	// Output:
	// 10 mx1.example.org [2001:db8::1 192.0.2.1]
	// 20 mx2.example.org [192.0.2.2]
	// resolve MX of silent.example: domain takes no mail
}

// override answers for some hosts itself, and leaves the rest to the DNS.
type override struct {
	resolve.Resolver
	hosts map[string]netip.Addr
}

func (o override) A(ctx context.Context, name string) (resolve.Answer[netip.Addr], error) {
	if addr, ok := o.hosts[name]; ok {
		return resolve.Answer[netip.Addr]{Records: []netip.Addr{addr}, Name: name}, nil
	}
	return o.Resolver.A(ctx, name)
}

// A Resolver of one's own may embed another.
func ExampleResolver() {
	var dns resolve.DNS
	defer dns.Close()
	r := override{&dns, map[string]netip.Addr{"mx.example.org": netip.MustParseAddr("192.0.2.25")}}
	a, err := r.A(context.Background(), "mx.example.org")
	fmt.Println(a.Records, err)
	// Output:
	// [192.0.2.25] <nil>
}

// Absence, failure and a domain that takes no mail are different errors.
func ExampleIsTemporary() {
	r := resolvetest.MustZone("example.org. TXT here")
	r.Fail("down.example.org", "", resolvetest.ServFail)
	for _, name := range []string{"example.org", "nowhere.example.org", "down.example.org"} {
		_, err := r.MX(context.Background(), name)
		fmt.Printf("%s: %v, temporary %t\n", name, resolve.KindOf(err), resolve.IsTemporary(err))
	}
	// Output:
	// example.org: no such record, temporary false
	// nowhere.example.org: no such name, temporary false
	// down.example.org: temporary failure, temporary true
}
