package destination_test

import (
	"fmt"

	"hoofbeat/destination"
)

func ExampleNamespace_ForSubscribe() {
	d, _ := destination.DefaultNamespace().ForSubscribe("/topic/news/*/#", destination.Owner{})
	fmt.Println(d.Key(), d.Wild())
	// Output: /topic/news.*.** true
}
