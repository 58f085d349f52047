package app

import (
	"context"

	"github.com/runagent/runagent/internal/deploy"
)

func (s *service) follow(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (s *service) announce(*deploy.Revision) {}
