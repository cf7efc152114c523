package transport

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d deadline
		passed := func() bool {
			synctest.Wait()
			select {
			case <-d.wait():
				return true
			default:
				return false
			}
		}
		waiting := d.wait()
		d.set(time.Now().Add(time.Minute))
		d.set(time.Now().Add(2 * time.Minute))
		time.Sleep(time.Minute)
		if passed() {
			t.Error("the first time still counts")
		}
		time.Sleep(time.Minute)
		<-waiting // the same channel after every set
		if !passed() {
			t.Error("it has not passed")
		}
		d.set(time.Now().Add(time.Minute))
		if passed() {
			t.Error("it has passed, though it was set again")
		}
		d.set(time.Time{})
		time.Sleep(time.Hour)
		if passed() {
			t.Error("never has passed")
		}
		d.set(time.Unix(1, 0))
		if !passed() {
			t.Error("it is long ago, and has not passed")
		}
		d.set(time.Now().Add(time.Minute))
		d.stop()
	})
}
