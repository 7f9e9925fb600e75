// What tenants' pods run on a cluster of the tests: a known load, and a count of its own of what it used.
//
// Without arguments it waits for a signal, as the pause container does. Otherwise it does what the flags say until its time
// is over, and writes what the kernel and it itself counted as JSON into the file that a kubelet reads for the pod's status.
// Counts of earlier runs of a container that was restarted are kept in a file of a volume, and added up.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

const (
	block = 1 << 20
	// Reads and writes past the page cache need a buffer, sizes and places that are multiples of this.
	aligned = 4096
)

// Counted is what was used, over all runs.
type Counted struct {
	Runs         int     `json:"runs"`
	CPUSeconds   float64 `json:"cpu_s"`
	LifeSeconds  float64 `json:"life_s"`
	ResidentByte int64   `json:"resident_bytes"`
	WrittenBytes int64   `json:"written_bytes"`
	ReadBytes    int64   `json:"read_bytes"`
	SentBytes    int64   `json:"sent_bytes"`
}

func main() {
	life := flag.Duration("life", 0, "how long to live")
	busy := flag.Float64("busy", 0, "share of one core to use")
	resident := flag.Int64("resident", 0, "bytes to hold")
	files := flag.Int64("files", 0, "bytes to write to disk and to read again")
	send := flag.Int64("send", 0, "bytes to send")
	to := flag.String("to", "", "host:port to send them to")
	listen := flag.String("listen", "", "address to take in what is sent")
	volume := flag.String("volume", "", "folder of a volume")
	fail := flag.Int("fail", 0, "how many runs end as a failure")
	flag.Parse()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) == 1 {
		<-ended
		return
	}
	begun := time.Now()
	counted := earlier(*volume)
	held := hold(*resident)
	if *listen != "" {
		go take(*listen)
	}
	if *files > 0 {
		written, read := writeAndRead(filepath.Join(*volume, "data"), *files)
		counted.WrittenBytes += written
		counted.ReadBytes += read
	}
	if *send > 0 {
		counted.SentBytes += sent(*to, *send)
	}
	work(begun, *life, *busy, ended)
	counted.Runs++
	counted.ResidentByte = int64(len(held))
	counted.LifeSeconds += time.Since(begun).Seconds()
	counted.CPUSeconds += used()
	keep(counted, *volume)
	if counted.Runs <= *fail {
		os.Exit(1)
	}
}

// work uses a share of a core until the life is over, in turns of 20 ms.
func work(begun time.Time, life time.Duration, busy float64, ended <-chan os.Signal) {
	const turn = 20 * time.Millisecond
	for time.Since(begun) < life {
		select {
		case <-ended:
			return
		default:
		}
		until := time.Now().Add(time.Duration(busy * float64(turn)))
		for time.Now().Before(until) {
		}
		time.Sleep(time.Duration((1 - busy) * float64(turn)))
	}
}

func hold(bytes int64) []byte {
	held := make([]byte, bytes)
	for place := 0; place < len(held); place += aligned {
		held[place] = 1
	}
	return held
}

// writeAndRead goes past the page cache, so that what is counted is what the disk does for this process.
func writeAndRead(path string, bytes int64) (written, read int64) {
	buffer := make([]byte, block+aligned)
	start := aligned - int(uintptr(unsafe.Pointer(&buffer[0]))%aligned)
	buffer = buffer[start : start+block]
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_DIRECT|syscall.O_SYNC, 0o600)
	check(err)
	for written < bytes {
		count, err := file.WriteAt(buffer, written)
		check(err)
		written += int64(count)
	}
	for read < bytes {
		count, err := file.ReadAt(buffer, read)
		check(err)
		read += int64(count)
	}
	check(file.Close())
	return written, read
}

func sent(to string, bytes int64) (count int64) {
	connection, err := net.Dial("tcp", to)
	for tries := 0; err != nil && tries < 100; tries++ {
		time.Sleep(200 * time.Millisecond)
		connection, err = net.Dial("tcp", to)
	}
	check(err)
	for buffer := make([]byte, block); count < bytes; {
		wrote, err := connection.Write(buffer)
		check(err)
		count += int64(wrote)
	}
	check(connection.Close())
	return count
}

func take(address string) {
	listener, err := net.Listen("tcp", address)
	check(err)
	for {
		connection, err := listener.Accept()
		check(err)
		go func() {
			for buffer := make([]byte, block); ; {
				if _, err := connection.Read(buffer); err != nil {
					return
				}
			}
		}()
	}
}

// used is the processor time of this process, as the kernel counts it.
func used() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func earlier(volume string) (counted Counted) {
	if body, err := os.ReadFile(filepath.Join(volume, "counted")); err == nil {
		check(json.Unmarshal(body, &counted))
	}
	return counted
}

func keep(counted Counted, volume string) {
	body, err := json.Marshal(counted)
	check(err)
	if volume != "" {
		check(os.WriteFile(filepath.Join(volume, "counted"), body, 0o600))
	}
	// Outside of a cluster there is nobody to tell.
	_ = os.WriteFile("/dev/termination-log", body, 0o600)
	_, _ = os.Stdout.Write(append(body, '\n'))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
