package pebble

import (
	"testing"

	"hoofbeat/config"
)

// The defaults of the configuration are those of this package.
func TestConfiguredDefaults(t *testing.T) {
	c, err := config.Load(config.Options{Search: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if o := (Options{}).withDefaults(); c.Storage.SyncInterval != o.SyncInterval || c.Storage.Sync != "always" || o.Sync != SyncAlways {
		t.Errorf("the configuration has %+v, the package %+v", c.Storage, o)
	}
}
