package frames

// Limits bound the cost of one frame. Each limit is checked before memory is
// allocated. Zero means that nothing is allowed, so start from [DefaultLimits].
type Limits struct {
	// HeaderBytes bounds the command and header lines together.
	HeaderBytes int
	// Headers bounds the number of header lines.
	Headers int
	// BodyBytes bounds the body.
	BodyBytes int
	// BytesBeforeConnect replaces HeaderBytes and BodyBytes, where it is
	// smaller, until a version is negotiated.
	BytesBeforeConnect int
}

// DefaultLimits returns the limits of an empty configuration.
func DefaultLimits() Limits {
	return Limits{
		HeaderBytes:        64 << 10,
		Headers:            100,
		BodyBytes:          16 << 20,
		BytesBeforeConnect: 64 << 10,
	}
}
