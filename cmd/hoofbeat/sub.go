package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
	"github.com/spf13/cobra"

	"hoofbeat/internal/client"
)

// subscriber has the options and the state of `hoofbeat sub`.
type subscriber struct {
	linkFlags
	destination string
	json        bool
	count       int           // end after this many messages; 0: never
	timeout     time.Duration // end after this long without a message; 0: never
	ack         string
	nack        bool
	prefetch    int
	headers     []string

	// set by run
	link        *link
	mode        stomp.AckMode
	header      *frame.Header
	out, status io.Writer
	announced   bool
}

func newSubCommand() *cobra.Command {
	s := &subscriber{}
	cmd := &cobra.Command{
		Use:   "sub DESTINATION",
		Short: "Print the messages of a destination",
		Long: `Prints the body of each message and a line end, until interrupted. "subscribed" on the standard error means that the
broker has confirmed the subscription, so that nothing sent from then on is missed.

With --ack client or client-individual a message is acknowledged once it is printed. With --count on a queue, --ack auto
loses the messages that were on their way when the count was reached; --ack client-individual gives them back.`,
		Example: `  hoofbeat sub '/topic/news.**'
  hoofbeat sub /queue/orders --ack client-individual --prefetch 1 --count 1 --timeout 10s --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.destination, s.out, s.status = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			return s.run(cmd.Context())
		},
	}
	s.add(cmd, 10*time.Second)
	flags := cmd.Flags()
	flags.BoolVar(&s.json, "json", false, "print one JSON object per line: destination, subscription, headers, and body or bodyBase64")
	flags.IntVar(&s.count, "count", 0, "end after this many messages; 0: never")
	flags.DurationVar(&s.timeout, "timeout", 0, "end with exit code 1 when nothing came for this long; 0: never")
	flags.StringVar(&s.ack, "ack", frame.AckAuto, "acknowledgement `mode`: auto, client or client-individual")
	flags.BoolVar(&s.nack, "nack", false, "refuse each message with NACK instead of ACK, to try redelivery")
	flags.IntVar(&s.prefetch, "prefetch", 0, "unacknowledged messages at most; 0: the broker's default")
	flags.StringArrayVar(&s.headers, "header", nil, "a header of SUBSCRIBE, `name:value` (repeatable)")
	return cmd
}

func (s *subscriber) validate() (err error) {
	switch s.ack {
	case frame.AckAuto:
		s.mode = stomp.AckAuto
	case frame.AckClient:
		s.mode = stomp.AckClient
	case frame.AckClientIndividual:
		s.mode = stomp.AckClientIndividual
	default:
		return fmt.Errorf("--ack %q: must be auto, client or client-individual", s.ack)
	}
	switch {
	case s.nack && s.mode == stomp.AckAuto:
		return errors.New("--nack needs --ack client or client-individual")
	case s.nack && s.version == string(stomp.V10):
		return errors.New("--nack needs STOMP 1.1 or 1.2")
	case s.count < 0 || s.timeout < 0 || s.prefetch < 0:
		return errors.New("--count, --timeout and --prefetch must not be negative")
	}
	s.header, err = headerFlag(s.headers)
	if err == nil && s.prefetch > 0 {
		s.header.Add("prefetch-count", strconv.Itoa(s.prefetch))
	}
	return err
}

// maxUnacked exceeds any prefetch that a broker is likely to choose by default;
// see client.Options.Pending.
const maxUnacked = 1 << 16

// run connects, subscribes, prints until it is stopped, and disconnects.
func (s *subscriber) run(ctx context.Context) (err error) {
	if err := s.validate(); err != nil {
		return err
	}
	if s.link, err = s.dial(ctx, max(maxUnacked, 2*s.prefetch)); err != nil {
		return err
	}
	addHeaders := func(f *frame.Frame) error { f.Header.AddHeader(s.header); return nil }
	sub, err := s.link.Subscribe(s.destination, s.mode, addHeaders, client.SubscribeReceipt(subscribeReceiptID))
	if err != nil {
		return s.link.finish(s.link.cause(err))
	}
	return s.leave(sub, s.receive(ctx, sub))
}

// leave disconnects. It drops messages that still arrive: otherwise go-stomp
// would not reach the RECEIPT behind them.
func (s *subscriber) leave(sub *stomp.Subscription, outcome error) error {
	messages := sub.C
	left := make(chan error, 1)
	go func() { left <- s.link.finish(outcome) }()
	for {
		select {
		case err := <-left:
			return err
		case _, ok := <-messages:
			if !ok {
				messages = nil
			}
		}
	}
}

// receive prints messages until the count is reached or ctx is done (nil), or
// an error occurs.
func (s *subscriber) receive(ctx context.Context, sub *stomp.Subscription) error {
	idle := newIdleTimer(s.timeout)
	defer idle.stop()
	subscribed, ended := s.link.subscribed, s.link.ended
	for got := 0; s.count == 0 || got < s.count; {
		select {
		case <-ctx.Done():
			return nil
		case <-idle.expired:
			return fmt.Errorf("nothing came for %v", s.timeout)
		case <-subscribed:
			subscribed = nil
			if err := s.announce(); err != nil {
				return err
			}
		case <-ended:
			if !isClosed(s.link.subscribed) {
				return s.link.why
			}
			ended = nil // the messages that came before the end must still be printed; then the channel ends
		case m, ok := <-sub.C:
			if !ok {
				return s.link.cause(errors.New("the subscription ended"))
			}
			if err := errors.Join(s.announce(), s.handle(m)); err != nil {
				return err
			}
			got++
			idle.restart()
		}
	}
	return nil
}

// announce prints, once, that the subscription is confirmed. If the broker
// sends the RECEIPT before the first message, it is printed before the first
// message.
func (s *subscriber) announce() error {
	if s.announced || !isClosed(s.link.subscribed) {
		return nil
	}
	s.announced = true
	_, err := fmt.Fprintln(s.status, "subscribed")
	return err
}

// handle prints one message and acknowledges it.
func (s *subscriber) handle(m *stomp.Message) error {
	if m.Err != nil {
		return s.link.cause(m.Err)
	}
	if err := s.print(m); err != nil {
		return fmt.Errorf("print a message: %w", err)
	}
	answer := s.link.Ack // does nothing in mode auto
	if s.nack {
		answer = s.link.Nack
	}
	if err := answer(m); err != nil {
		return s.link.cause(err)
	}
	return nil
}

// printed is one line of the --json output.
type printed struct {
	Destination  string            `json:"destination"`
	Subscription string            `json:"subscription"`
	Headers      map[string]string `json:"headers"`
	Body         *string           `json:"body,omitempty"`
	BodyBase64   []byte            `json:"bodyBase64,omitempty"`
}

// print writes m in one Write, so that the output of several processes is not
// mixed within a line.
func (s *subscriber) print(m *stomp.Message) error {
	if !s.json {
		_, err := s.out.Write(append(m.Body, '\n'))
		return err
	}
	line := printed{Destination: m.Destination, Subscription: m.Subscription.Id(), Headers: map[string]string{}}
	for i := m.Header.Len() - 1; i >= 0; i-- { // backwards: the first of repeated headers counts (STOMP 1.2)
		k, v := m.Header.GetAt(i)
		line.Headers[k] = v
	}
	if text := string(m.Body); utf8.ValidString(text) {
		line.Body = &text
	} else {
		line.BodyBase64 = m.Body
	}
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	return e.Encode(line)
}

// idleTimer fires when it has not been restarted for a time. With time 0 it
// never fires.
type idleTimer struct {
	timer   *time.Timer // nil: never fires
	after   time.Duration
	expired <-chan time.Time
}

func newIdleTimer(after time.Duration) *idleTimer {
	if after == 0 {
		return &idleTimer{}
	}
	t := time.NewTimer(after)
	return &idleTimer{timer: t, after: after, expired: t.C}
}

func (i *idleTimer) restart() {
	if i.timer != nil {
		i.timer.Reset(i.after)
	}
}

func (i *idleTimer) stop() {
	if i.timer != nil {
		i.timer.Stop()
	}
}
