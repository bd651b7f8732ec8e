package mailtest_test

import (
	"bufio"
	"context"
	"fmt"

	"github.com/postrider/postrider/mailtest"
)

func ExampleNetwork() {
	var n mailtest.Network
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()

	client, err := n.From("198.51.100.7").DialContext(context.Background(), "tcp", "192.0.2.1:25")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Fprint(client, "EHLO client.example.net\r\n") // the buffer takes it: nobody has accepted yet

	server, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	line, err := bufio.NewReader(server).ReadString('\n')
	fmt.Printf("%v said %q, %v\n", server.RemoteAddr(), line, err)
	// Output: 198.51.100.7:49152 said "EHLO client.example.net\r\n", <nil>
}
