package frames

// Limits bound what one frame of a peer may cost. Each is in force before the
// memory for it is taken. A limit of zero means that nothing is allowed, so
// start from [DefaultLimits].
type Limits struct {
	// HeaderBytes bounds the command and header lines together.
	HeaderBytes int
	// Headers bounds the number of header lines.
	Headers int
	// BodyBytes bounds the body.
	BodyBytes int
	// BytesBeforeConnect takes the place of HeaderBytes and BodyBytes where it
	// is smaller, until a version is negotiated.
	BytesBeforeConnect int
}

// DefaultLimits are those of a configuration that names none.
func DefaultLimits() Limits {
	return Limits{
		HeaderBytes:        64 << 10,
		Headers:            100,
		BodyBytes:          16 << 20,
		BytesBeforeConnect: 64 << 10,
	}
}
