package dialects

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hoofbeat/config"
)

const docs = "../../docs"

// The configurations on the migration pages are valid.
func TestMigrationConfigurations(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(docs, "migrate-*.md"))
	if err != nil || len(pages) != 3 {
		t.Fatalf("the pages are %q, %v", pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)\n```yaml\n(.*?\n)```\n").FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no configuration", page)
		}
		for _, block := range blocks {
			file := filepath.Join(t.TempDir(), "hoofbeat.yaml")
			if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load(config.Options{File: file}); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block[1])
			}
		}
		keysExist(t, page, string(text))
	}
}

// keysExist expects each configuration key on a page to exist.
func keysExist(t *testing.T, page, text string) {
	t.Helper()
	var all strings.Builder
	if err := config.WriteDefault(&all); err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("`((?:listen|auth|limits|storage|prefixes|log|heartbeat)\\.[a-z_.]+)(?:: [^`]*)?`").FindAllStringSubmatch(text, -1) {
		last := found[1][strings.LastIndex(found[1], ".")+1:]
		if !regexp.MustCompile(`(?m)^\s*` + last + `:`).MatchString(all.String()) {
			t.Errorf("%s: there is no key %s", page, found[1])
		}
	}
}

// The statements of the pages about headers of other brokers are true.
func TestMigrationHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		frame []string
		want  string // the word of the ERROR; empty: none
	}{
		"no id":               {[]string{"SUBSCRIBE", "destination:/queue/a"}, "missing-header"},
		"no slash":            {[]string{"SEND", "destination:orders"}, "unknown-destination"},
		"exchange":            {[]string{"SEND", "destination:/exchange/amq.topic/a"}, "unknown-destination"},
		"amq queue":           {[]string{"SUBSCRIBE", "id:1", "destination:/amq/queue/a"}, "unknown-destination"},
		"queue name":          {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a", "x-queue-name:b"}, "not-supported"},
		"exclusive":           {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "exclusive:true"}, "not-supported"},
		"queue type":          {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "x-queue-type:quorum"}, "not-supported"},
		"dead letters":        {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "x-dead-letter-exchange:x"}, "not-supported"},
		"consumer priority":   {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "x-priority:1"}, "not-supported"},
		"stream offset":       {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "x-stream-offset:first"}, "not-supported"},
		"selector":            {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "selector:a = 1"}, "not-supported"},
		"browser":             {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "browser:true"}, "not-supported"},
		"noLocal":             {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a", "activemq.noLocal:true"}, "not-supported"},
		"retroactive":         {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a", "activemq.retroactive:true"}, "not-supported"},
		"cron":                {[]string{"SEND", "destination:/queue/a", "AMQ_SCHEDULED_CRON:* * * * *"}, "not-supported"},
		"group":               {[]string{"SEND", "destination:/queue/a", "JMSXGroupID:g"}, "not-supported"},
		"last value":          {[]string{"SEND", "destination:/queue/a", "_AMQ_LVQ_NAME:v"}, "not-supported"},
		"duplicate id":        {[]string{"SEND", "destination:/queue/a", "_AMQ_DUPL_ID:v"}, "not-supported"},
		"temporary topic":     {[]string{"SUBSCRIBE", "id:1", "destination:/temp-topic/a"}, "unknown-destination"},
		"no such mode":        {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "ack:clientindividual"}, "invalid-header"},
		"app":                 {[]string{"SEND", "destination:/app/orders"}, "unknown-destination"},
		"question mark":       {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a/?"}, ""},
		"prefetch-count":      {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client", "prefetch-count:1"}, ""},
		"prefetchSize":        {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "ack:client", "activemq.prefetchSize:1"}, ""},
		"window size":         {[]string{"SUBSCRIBE", "id:1", "destination:/queue/a", "consumer-window-size:1024"}, ""},
		"routing types":       {[]string{"SEND", "destination:/queue/a", "destination-type:ANYCAST"}, ""},
		"queue arguments":     {[]string{"SEND", "destination:/queue/a", "x-max-priority:10", "x-message-ttl:60000", "exclusive:false"}, ""},
		"persistent":          {[]string{"SEND", "destination:/queue/a", "persistent:true", "expiration:60000", "priority:9"}, ""},
		"durable":             {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a", "durable:true", "auto-delete:false"}, ""},
		"subscriber name":     {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a", "durable-subscriber-name:n"}, ""},
		"temporary queue":     {[]string{"SUBSCRIBE", "id:1", "destination:/temp-queue/a"}, ""},
		"reply":               {[]string{"SEND", "destination:/queue/a", "reply-to:/temp-queue/a"}, ""},
		"ActiveMQ's wildcard": {[]string{"SUBSCRIBE", "id:1", "destination:/topic/a.>"}, ""},
		"composite":           {[]string{"SEND", "destination:/queue/a,/queue/b"}, ""},
		"user":                {[]string{"SEND", "destination:/user/ada/queue/news"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newWorld(t).plain()
			c.Send(tc.frame[0], append(tc.frame[1:], "receipt:r")...)
			if tc.want != "" {
				c.WantError(tc.want, "r")
				return
			}
			c.WantReceipt("r")
		})
	}
}
