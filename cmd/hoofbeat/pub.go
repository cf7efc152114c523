package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
	"github.com/spf13/cobra"
)

// publisher has the options and the state of `hoofbeat pub`.
type publisher struct {
	linkFlags
	destination string
	bodies      []string
	files       []string
	headers     []string
	contentType string
	receipt     bool
	repeat      int
	rate        float64 // messages per second; 0: as fast as possible
	transaction bool

	// set by run
	link   *link
	tx     *stomp.Transaction // nil without --transaction
	header *frame.Header
	sent   int
	start  time.Time // when the first message was sent
}

func newPubCommand() *cobra.Command {
	p := &publisher{}
	cmd := &cobra.Command{
		Use:   "pub DESTINATION [BODY...]",
		Short: "Send messages to a destination",
		Long: `Sends each BODY as one message. Without a BODY each line of the standard input is one message, and with --file each
file is one. By default the RECEIPT of every message is waited for, so that exit code 0 means that the broker has them
all; exit code 1 means that it refused one, or that a RECEIPT did not come.`,
		Example: `  hoofbeat pub /topic/news 'hello' --header priority:9
  hoofbeat pub /queue/orders --file order.json --content-type application/json
  journalctl -f | hoofbeat pub /topic/log --token-file token`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.destination, p.bodies = args[0], args[1:]
			return p.run(cmd.Context(), cmd.InOrStdin())
		},
	}
	p.add(cmd, 0)
	flags := cmd.Flags()
	flags.StringArrayVar(&p.files, "file", nil, "send this `file` as one message (repeatable)")
	flags.StringArrayVar(&p.headers, "header", nil, "a header of each message, `name:value` (repeatable)")
	flags.StringVar(&p.contentType, "content-type", "", "MIME `type` of the bodies")
	flags.BoolVar(&p.receipt, "receipt", true, "wait for the RECEIPT of every message, or of the transaction")
	flags.IntVar(&p.repeat, "repeat", 1, "send each message this often")
	flags.Float64Var(&p.rate, "rate", 0, "messages per second at most; 0: as fast as possible")
	flags.BoolVar(&p.transaction, "transaction", false, "send all messages in one transaction")
	return cmd
}

func (p *publisher) validate() (err error) {
	switch {
	case p.repeat < 1:
		return errors.New("--repeat must be at least 1")
	case p.rate < 0 || math.IsNaN(p.rate) || math.IsInf(p.rate, 0):
		return errors.New("--rate must be a number of messages per second, or 0")
	case len(p.files) > 0 && len(p.bodies) > 0:
		return errors.New("give each BODY as an argument or with --file, not both")
	}
	p.header, err = headerFlag(p.headers)
	return err
}

// run connects, sends everything and disconnects.
func (p *publisher) run(ctx context.Context, stdin io.Reader) (err error) {
	if err = p.validate(); err != nil {
		return err
	}
	if p.link, err = p.dial(ctx, 0); err != nil {
		return err
	}
	return p.link.finish(p.publish(ctx, stdin))
}

// publish sends everything. After a failure, the broker drops an open
// transaction with the connection.
func (p *publisher) publish(ctx context.Context, stdin io.Reader) error {
	if p.transaction {
		if err := p.link.do(ctx, func() (err error) { p.tx, err = p.link.BeginWithError(); return err }); err != nil {
			return err
		}
	}
	for body, err := range p.messages(ctx, stdin) {
		if err != nil {
			return err
		}
		for range p.repeat {
			if err := p.send(ctx, body); err != nil {
				return fmt.Errorf("after %d messages: %w", p.sent, err)
			}
			p.sent++
		}
	}
	switch {
	case p.tx == nil:
		return nil
	case p.receipt:
		return p.link.do(ctx, p.tx.CommitWithReceipt)
	}
	return p.link.do(ctx, p.tx.Commit)
}

// send sends one message at its time and waits for the RECEIPT, except within a
// transaction, where only COMMIT has one.
func (p *publisher) send(ctx context.Context, body []byte) error {
	if err := p.pace(ctx); err != nil {
		return err
	}
	opts := []func(*frame.Frame) error{func(f *frame.Frame) error { f.Header.AddHeader(p.header); return nil }}
	send := p.link.Send
	switch {
	case p.tx != nil:
		send = p.tx.Send
	case p.receipt:
		opts = append(opts, stomp.SendOpt.Receipt)
	}
	return p.link.do(ctx, func() error { return send(p.destination, p.contentType, body, opts...) })
}

// pace waits until the next message may be sent. Delays are made up for, so
// that the rate holds on average.
func (p *publisher) pace(ctx context.Context) error {
	if p.sent == 0 {
		p.start = time.Now()
	}
	if p.rate == 0 {
		return nil
	}
	due := p.start.Add(time.Duration(float64(p.sent) / p.rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return interrupted()
	}
}

// messages yields the bodies to send, in order, or the error that ended
// reading.
func (p *publisher) messages(ctx context.Context, stdin io.Reader) iter.Seq2[[]byte, error] {
	switch {
	case len(p.files) > 0:
		return func(yield func([]byte, error) bool) {
			for _, name := range p.files {
				if !yield(os.ReadFile(name)) {
					return
				}
			}
		}
	case len(p.bodies) > 0:
		return func(yield func([]byte, error) bool) {
			for _, body := range p.bodies {
				if !yield([]byte(body), nil) {
					return
				}
			}
		}
	}
	return lines(ctx, stdin)
}

// lines yields the lines of r without their ends, and an error if ctx ends
// first. Reading a terminal or a pipe cannot be interrupted, so the reading
// goroutine is waited for only if r has ended; otherwise it ends with the
// program.
func lines(ctx context.Context, r io.Reader) iter.Seq2[[]byte, error] {
	type line struct {
		text []byte
		err  error
	}
	return func(yield func([]byte, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		read := make(chan line)
		go func() {
			defer close(read)
			for text, err := range splitLines(r) {
				select {
				case read <- line{text, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		for {
			select {
			case l, ok := <-read:
				if !ok || !yield(l.text, l.err) {
					return
				}
			case <-ctx.Done():
				yield(nil, interrupted())
				return
			}
		}
	}
}

// splitLines yields lines of any length, without LF or CRLF, which the last
// line may lack.
func splitLines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b := bufio.NewReader(r)
		for {
			text, err := b.ReadBytes('\n')
			if errors.Is(err, io.EOF) && len(text) == 0 {
				return
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, fmt.Errorf("read the standard input: %w", err))
				return
			}
			if !yield(trimLineEnd(text), nil) {
				return
			}
		}
	}
}

func trimLineEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}
