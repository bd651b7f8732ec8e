package blob_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store/blob"
)

func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "blob")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	dir, err := blob.OpenDir(filepath.Join(folder, "bodies"))
	if err != nil {
		fmt.Println(err)
		return
	}
	content := postrider.String("Subject: hello\r\n\r\nhello\r\n")
	key, err := blob.KeyOf(content)
	if err != nil {
		fmt.Println(err)
		return
	}
	release, err := dir.Put(ctx, key, content)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("keep a row with", key.String()[:8])
	release()
	// Output: keep a row with 51ae8aac
}
