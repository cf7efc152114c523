// Package stomptest is the other side of a STOMP connection in tests that read
// like a conversation:
//
//	c := stomptest.New(t, conn)
//	c.Connect("1.2")
//	c.Send("SUBSCRIBE", "id:1", "destination:/queue/a", "receipt:r")
//	c.WantReceipt("r")
//	c.Send("SEND", "destination:/queue/a", "", "hello")
//	c.Want("MESSAGE", "subscription:1", "destination:/queue/a", "", "hello")
//
// A failed expectation ends the test and prints the conversation. So does
// silence, by a deadline on the connection. Nothing sleeps.
package stomptest
