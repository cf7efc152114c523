package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Deadline
		passed := func() bool {
			synctest.Wait()
			select {
			case <-d.Wait():
				return true
			default:
				return false
			}
		}
		waiting := d.Wait()
		d.Set(time.Now().Add(time.Minute))
		d.Set(time.Now().Add(2 * time.Minute))
		time.Sleep(time.Minute)
		if passed() {
			t.Error("the first time still counts")
		}
		time.Sleep(time.Minute)
		<-waiting // the same channel after every set
		if !passed() {
			t.Error("it has not passed")
		}
		d.Set(time.Now().Add(time.Minute))
		if passed() {
			t.Error("it has passed, though it was set again")
		}
		d.Set(time.Time{})
		time.Sleep(time.Hour)
		if passed() {
			t.Error("never has passed")
		}
		d.Set(time.Unix(1, 0))
		if !passed() {
			t.Error("it is long ago, and has not passed")
		}
		d.Set(time.Now().Add(time.Minute))
		d.Stop()
	})
}
