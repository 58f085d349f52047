//go:build linux

package none

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxPacket bounds one control message; longer environments are refused.
const maxPacket = 192 << 10

// packetPair makes a connected pair of SOCK_SEQPACKET sockets: ours ready for
// use, theirs to hand to another process.
func packetPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	for _, fd := range fds {
		// Room for the largest packet; a smaller kernel limit shows at the send.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*maxPacket)
	}
	theirs = os.NewFile(uintptr(fds[1]), "control")
	ours, err = packetConn(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// packetConn turns f, which it closes, into a connection.
func packetConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use control socket: %w", err)
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("control socket is a %T", c)
	}
	return uc, nil
}

// sendFiles sends one packet with descriptors.
func sendFiles(c *net.UnixConn, msg []byte, files ...*os.File) error {
	if len(msg) > maxPacket {
		return fmt.Errorf("start request of %d bytes is over the limit of %d: the environment is too large", len(msg), maxPacket)
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	_, _, err := c.WriteMsgUnix(msg, unix.UnixRights(fds...), nil)
	return err
}

// recvWhole waits for one packet and returns it with the descriptors that came
// with it. No memory is held while none comes.
func recvWhole(c *net.UnixConn) ([]byte, []*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	size := 0
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			size, _, failed = unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC)
			if !errors.Is(failed, unix.EINTR) {
				return !errors.Is(failed, unix.EAGAIN)
			}
		}
	})
	if err = errors.Join(err, failed); err != nil || size == 0 {
		return nil, nil, err
	}
	buf := make([]byte, size)
	n, files, err := recvFiles(c, buf)
	return buf[:n], files, err
}

// recvFiles reads one packet and the descriptors that came with it.
func recvFiles(c *net.UnixConn, buf []byte) (int, []*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(64*4))
	n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		return 0, nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, nil, fmt.Errorf("parse control message: %w", err)
	}
	var files []*os.File
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return n, files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func notifyChild(c chan<- os.Signal) { signal.Notify(c, syscall.SIGCHLD) }
